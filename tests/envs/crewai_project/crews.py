"""Crews of every form that an adapter meets."""

import os
import subprocess
import sys

from crewai import Agent, Crew, Process, Task
from crewai.project import CrewBase, agent, before_kickoff, crew, task
from crewai.tasks.conditional_task import ConditionalTask
from crewai.tools import tool
from pydantic import BaseModel, Field
from served_model import model


class Report(BaseModel):
    topic: str
    words: int = Field(ge=0)
    summary: str


@tool("count_words")
def count_words(text: str) -> str:
    """Count the words of a text."""
    return str(len(text.split()))


def _task(name: str, worker: Agent, **more: object) -> Task:
    return Task(name=name, description=f"TASK={name}; TOPIC={{topic}};", expected_output="a text", agent=worker, **more)


def report_crew() -> Crew:
    """Research a topic, then write a report on it."""
    shared = model()
    researcher = Agent(role="{topic} researcher", goal="facts", backstory="careful", llm=shared, tools=[count_words])
    writer = Agent(role="writer", goal="Write for {audience}", backstory="brief", llm=shared)
    research = _task("research", researcher)
    write = _task("write", writer, context=[research], output_pydantic=Report)
    return Crew(name="report", agents=[researcher, writer], tasks=[research, write])


def six_tasks() -> Crew:
    """Six tasks in a row."""
    worker = Agent(role="worker", goal="work", backstory="steady", llm=model())
    return Crew(name="six", agents=[worker], tasks=[_task(f"t{n}", worker) for n in range(6)])


def parallel_crew() -> Crew:
    """Two tasks at the same time, then one that waits for both."""
    left = Agent(role="left", goal="work", backstory="steady", llm=model())
    right = Agent(role="right", goal="work", backstory="steady", llm=model())
    first = _task("left", left, async_execution=True)
    second = _task("right", right, async_execution=True)
    return Crew(
        name="parallel",
        agents=[left, right],
        tasks=[first, second, _task("both", left, context=[first, second])],
    )


def conditional_crew() -> Crew:
    """The middle task is skipped."""
    worker = Agent(role="worker", goal="work", backstory="steady", llm=model())
    middle = ConditionalTask(
        name="maybe",
        description="TASK=maybe; TOPIC={topic};",
        expected_output="a text",
        agent=worker,
        condition=lambda output: "never" in output.raw,
    )
    return Crew(name="conditional", agents=[worker], tasks=[_task("first", worker), middle, _task("last", worker)])


def reviewed_crew() -> Crew:
    """A person reviews the second of two tasks."""
    worker = Agent(role="worker", goal="work", backstory="steady", llm=model())
    return Crew(
        name="reviewed", agents=[worker], tasks=[_task("draft", worker), _task("final", worker, human_input=True)]
    )


def led_crew() -> Crew:
    """A manager hands the work to others."""
    worker = Agent(role="worker", goal="work", backstory="steady", llm=model())
    only = Task(name="led", description="TASK=led; TOPIC={topic};", expected_output="a text")
    return Crew(name="led", agents=[worker], tasks=[only], process=Process.hierarchical, manager_llm=model())


def guarded_crew() -> Crew:
    """A guardrail that nothing passes."""
    worker = Agent(role="worker", goal="work", backstory="steady", llm=model())
    refused = _task("guarded", worker, guardrail=lambda output: (False, "sk-MARKER-guardrail"), guardrail_max_retries=1)
    return Crew(name="guarded", agents=[worker], tasks=[refused])


def noisy_crew() -> Crew:
    """Prints, starts a program that prints, and reads standard input."""

    @tool("count_words")
    def noisy(text: str) -> str:
        """Count loudly."""
        print("noise on standard output", flush=True)
        subprocess.run([sys.executable, "-c", "print('noise of a child')"], check=True)
        os.write(1, b"noise on descriptor one\n")
        try:
            return input("a prompt: ")
        except EOFError:
            return "nobody there"

    worker = Agent(role="worker", goal="work", backstory="steady", llm=model(), tools=[noisy])
    return Crew(name="noisy", agents=[worker], tasks=[_task("noisy", worker)], verbose=True)


def failing_crew() -> Crew:
    """Its provider fails with a key in the text."""

    class Failing(type(model())):
        def call(self, *_: object, **__: object) -> str:
            raise RuntimeError("401 for key sk-MARKER-provider")

    worker = Agent(role="worker", goal="work", backstory="steady", llm=Failing(model="served"), max_retry_limit=0)
    return Crew(name="failing", agents=[worker], tasks=[_task("failing", worker)])


ready_crew = six_tasks()


@CrewBase
class ClassCrew:
    """A crew as crewai's own template writes it."""

    @before_kickoff
    def add_year(self, inputs: dict[str, object]) -> dict[str, object]:
        return {"current_year": "2026", **inputs}

    @agent
    def worker(self) -> Agent:
        return Agent(config=self.agents_config["worker"], llm=model())

    @task
    def only(self) -> Task:
        return Task(config=self.tasks_config["only"])

    @crew
    def crew(self) -> Crew:
        return Crew(agents=self.agents, tasks=self.tasks, process=Process.sequential)


not_a_crew = 5
