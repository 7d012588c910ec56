"""The sections of hub.yaml that the adapters read."""

from typing import Annotated, Literal, Self

from pydantic import Field, RootModel, model_validator

from hub.catalog.provider import Json
from hub.upstream import EntrySettings

Kind = Literal["crew", "flow", "graph", "functions"]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class HostedSettings(EntrySettings):
    """What runs in an environment of its own, behind a host program."""

    project: str = Field(default=".", description="Folder of the project; relative to the configuration file.")
    python: str | None = Field(
        default=None,
        description="Interpreter; default: the project's `.venv`, else one made of its `uv.lock`.",
    )
    env: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="Environment of the program, besides HOME, LANG, PATH and a few more; nothing else reaches it.",
    )
    description: str | None = Field(default=None, description="What models read about the tool.")
    workers: int = Field(default=1, ge=1, le=32, description="Processes at most; each is started when it is needed.")
    idle_s: Seconds = Field(default=600, description="Seconds without a call after which a process is stopped.")
    timeout_s: Seconds = Field(default=900, description="Seconds a call may take without an answer or progress.")
    start_timeout_s: Seconds = Field(default=120, description="Seconds that finding out the tools may take.")
    concurrency: int = Field(default=64, ge=1, le=10_000, description="Calls at once in a process; more of them wait.")
    uses: tuple[str, ...] = Field(
        default=(),
        description="Tools of the hub that the program may use, by public names or patterns; it finds the way in "
        "HUB_COMMAND and HUB_ARGS.",
    )

    def targets(self, name: str) -> list[Json]:
        """What the host is told to offer, each in the form of its `--target`."""
        raise NotImplementedError

    @property
    def framework(self) -> str | None:
        """The package that the environment needs; None for none."""
        return None

    @property
    def reference(self) -> str:
        """Where the object is."""
        raise NotImplementedError


class CrewSettings(HostedSettings):
    """One entry of `crews:`."""

    crew: str = Field(description="`package.module:Name`, `path/file.py:Name` or `path/crew.jsonc`.")
    arguments: dict[str, Json] | None = Field(
        default=None, description="Schemas of single arguments, in place of the worked-out ones."
    )
    defaults: Json | None = Field(default=None, description="Arguments that a call may leave out, with their values.")

    @property
    def framework(self) -> str | None:
        return "crewai"

    @property
    def reference(self) -> str:
        return self.crew

    def targets(self, name: str) -> list[Json]:
        return [_target("crew", self, name, schema=self.arguments, defaults=self.defaults)]


class FlowSettings(HostedSettings):
    """One entry of `flows:`."""

    flow: str = Field(description="`package.module:Name` or `path/file.py:Name`, a subclass of crewai's Flow.")
    inputs: tuple[str, ...] | None = Field(
        default=None, description="Which fields of the flow's state are arguments; default: all."
    )

    @property
    def framework(self) -> str | None:
        return "crewai"

    @property
    def reference(self) -> str:
        return self.flow

    def targets(self, name: str) -> list[Json]:
        return [_target("flow", self, name, inputs=None if self.inputs is None else list(self.inputs))]


class GraphSettings(HostedSettings):
    """One entry of `graphs:`."""

    graph: str = Field(description="`package.module:name`, `path/file.py:name` or `langgraph.json[:name]`.")
    step_limit: int = Field(default=100, ge=1, le=100_000, description="Supersteps of one run.")
    isolation: Literal["process", "inprocess"] = Field(
        default="process",
        description="`process`: in the project's environment; `inprocess`: in the hub's own process and environment.",
    )

    @model_validator(mode="after")
    def _nothing_of_a_process_without_one(self) -> Self:
        given = {"python": self.python, "env": self.env, "uses": self.uses, "workers": self.workers != 1}
        if self.isolation == "inprocess" and (more := [f"`{key}`" for key, value in given.items() if value]):
            raise ValueError(f"`isolation: inprocess` starts no process, so it goes without {', '.join(more)}")
        return self

    @property
    def framework(self) -> str | None:
        return "langgraph"

    @property
    def reference(self) -> str:
        return self.graph

    @property
    def is_whole_project(self) -> bool:
        """Whether every graph of a `langgraph.json` is meant."""
        return self.graph.endswith(".json")

    def targets(self, name: str) -> list[Json]:
        return [_target("graph", self, name, step_limit=self.step_limit)]


class FunctionSettings(HostedSettings):
    """One entry of `functions:`."""

    functions: str = Field(description="`package.module` or `path/file.py`; with `:name` one function of it.")

    @property
    def reference(self) -> str:
        return self.functions

    @property
    def is_one(self) -> bool:
        """Whether one function is meant."""
        return ":" in self.functions

    def targets(self, name: str) -> list[Json]:
        return [_target("function" if self.is_one else "functions", self, name)]


def _target(kind: str, settings: HostedSettings, name: str, **more: object) -> Json:
    target: Json = {"kind": kind, "ref": settings.reference, "name": name, "description": settings.description}
    return {key: value for key, value in {**target, **more}.items() if value is not None}


class Crews(RootModel[dict[str, CrewSettings]]):
    """CrewAI crews as tools, by name."""


class Flows(RootModel[dict[str, FlowSettings]]):
    """CrewAI flows as tools, by name."""


class Graphs(RootModel[dict[str, GraphSettings]]):
    """LangGraph graphs as tools, by name."""


class Functions(RootModel[dict[str, FunctionSettings]]):
    """Python functions as tools, by the name of their module."""
