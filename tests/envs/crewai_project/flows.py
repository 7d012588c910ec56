"""Flows of every form that an adapter meets."""

from crewai.flow import human_feedback
from crewai.flow.flow import Flow, listen, start
from crews import reviewed_crew, six_tasks
from pydantic import BaseModel, Field
from served_model import model


class ReviewState(BaseModel):
    id: str = ""
    topic: str = Field(default="", description="What to write about")
    tone: str = "plain"
    draft: str = ""
    published: bool = False


class ReviewFlow(Flow[ReviewState]):
    """Drafts a text and publishes it after a review."""

    @start()
    def draft_it(self) -> str:
        self.state.draft = model().call(f"TASK=draft; TOPIC={self.state.topic};")
        return self.state.draft

    @listen(draft_it)
    @human_feedback(
        message="Publish this draft?", emit=["approved", "rejected"], llm=model(), default_outcome="rejected"
    )
    def review(self, text: str) -> str:
        return text

    @listen("approved")
    def publish(self) -> dict[str, object]:
        self.state.published = True
        return {"published": True, "text": self.state.draft}

    @listen("rejected")
    def drop(self) -> dict[str, object]:
        return {"published": False}


class AskFlow(Flow):
    """Asks for a name in the middle of a method."""

    @start()
    def greet(self) -> str:
        return f"hello {self.ask('Your name?')}"


class TopicState(BaseModel):
    id: str = ""
    topic: str = ""


class CrewFlow(Flow[TopicState]):
    """Runs a crew of six tasks in a method."""

    @start()
    def work(self) -> str:
        return six_tasks().kickoff(inputs={"topic": self.state.topic}).raw


class ReviewedCrewFlow(Flow[TopicState]):
    """Runs a crew whose last task a person reviews, from a method that blocks its thread."""

    @start()
    def work(self) -> str:
        return reviewed_crew().kickoff(inputs={"topic": self.state.topic}).raw


class FailingFlow(Flow[TopicState]):
    """Fails with a key in the text."""

    @start()
    def work(self) -> str:
        raise RuntimeError("401 for key sk-MARKER-provider")
