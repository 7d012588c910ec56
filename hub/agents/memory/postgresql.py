"""Memory in PostgreSQL, with the nearest earlier passages where pgvector is asked for."""

import contextlib
import json
import re
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from hub.agents.house import House
from hub.agents.memory.protocol import Embeddings, MemoryStore, Overgrown, Recalled
from hub.agents.memory.window import Window, opens_a_turn
from hub.agents.messages import Message, text_of
from hub.errors import BusyError, ConfigError, InvalidInputError, UnsupportedError, UpstreamDownError

if TYPE_CHECKING:
    import asyncpg

_DEFAULT_EMBEDDINGS = "openai:text-embedding-3-small"
_LONGEST_PASSAGE = 4_000

_TABLES = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.threads (
    thread text PRIMARY KEY,
    covered bigint NOT NULL DEFAULT 0,
    summary text
);
CREATE TABLE IF NOT EXISTS {schema}.messages (
    thread text NOT NULL REFERENCES {schema}.threads ON DELETE CASCADE,
    number bigint NOT NULL,
    message jsonb NOT NULL,
    PRIMARY KEY (thread, number)
);
CREATE TABLE IF NOT EXISTS {schema}.additions (
    thread text NOT NULL REFERENCES {schema}.threads ON DELETE CASCADE,
    key text NOT NULL,
    PRIMARY KEY (thread, key)
);
"""
_PASSAGES = """
CREATE TABLE IF NOT EXISTS {schema}.passages (
    thread text NOT NULL REFERENCES {schema}.threads ON DELETE CASCADE,
    number bigint NOT NULL,
    passage text NOT NULL,
    embedding {extension}.vector({dimensions}) NOT NULL,
    PRIMARY KEY (thread, number)
);
"""


class PostgreSQL:
    """Keeps threads in PostgreSQL (the extra `postgres`).

    Args:
        connection_string: as libpq takes it.
        enable_vector_search: give the nearest earlier passages of the thread back into the prompt (pgvector).
        embeddings: makes the vectors; a text names a provider's model.
        schema: where the tables are; made if it is not there.
        window: the latest messages that a prompt holds.
        summarise: whether older ones become a summary, made by the agent's model.
        passages: how many earlier passages come back at most.
        max_connections: to the database, opened when they are used.
    """

    def __init__(
        self,
        connection_string: str,
        *,
        enable_vector_search: bool = False,
        embeddings: Embeddings | str = _DEFAULT_EMBEDDINGS,
        schema: str = "hub_memory",
        window: int = 40,
        summarise: bool = True,
        passages: int = 5,
        max_connections: int = 4,
    ) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
            raise InvalidInputError("memory: `schema` is made of a-z, 0-9 and _, and does not begin with a digit")
        self._dsn = connection_string
        self._vectors = enable_vector_search
        self._embeddings = embeddings
        self._schema = schema
        self._window = Window(messages=window, summarise=summarise)
        self._passages = passages
        self._max_connections = max_connections

    def __repr__(self) -> str:
        return f"PostgreSQL(schema={self._schema!r}, enable_vector_search={self._vectors})"

    @contextlib.asynccontextmanager
    async def open_store(self, house: House) -> AsyncGenerator[MemoryStore]:
        try:
            import asyncpg
        except ImportError as error:
            raise ConfigError("memory.PostgreSQL needs a further package: install interop-hub[postgres]") from error
        embeddings: Embeddings | None = None
        if self._vectors:
            from hub.agents.memory.embeddings import ProviderEmbeddings

            embeddings = ProviderEmbeddings(self._embeddings) if isinstance(self._embeddings, str) else self._embeddings
        try:
            pool = asyncpg.create_pool(self._dsn, min_size=0, max_size=self._max_connections)
        except ValueError as error:
            raise ConfigError("memory.PostgreSQL: `connection_string` is not of the form that libpq takes") from error
        async with pool:
            yield _PostgreSQLStore(
                pool, schema=self._schema, window=self._window, embeddings=embeddings, passages=self._passages
            )


class _PostgreSQLStore:
    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        *,
        schema: str,
        window: Window,
        embeddings: Embeddings | None,
        passages: int,
    ) -> None:
        self._pool = pool
        self._schema = schema
        self._window = window
        self._embeddings = embeddings
        self._passages = passages
        self._vector = ""
        """The schema of the extension, once the tables are there."""
        self._made = False
        self._making = anyio.Lock()

    async def recall(self, thread: str, query: str) -> Recalled:
        async with self._connection() as db:
            head = await db.fetchrow(
                self._sql("SELECT covered, summary FROM {schema}.threads WHERE thread = $1"), thread
            )
            if head is None:
                return Recalled()
            covered = int(head["covered"])
            messages = self._window.visible(await self._from(db, thread, covered))
            total = await self._count(db, thread)
        return Recalled(
            messages=messages,
            summary=head["summary"],
            passages=await self._nearest(thread, query, before=total - len(messages)),
        )

    async def append(self, thread: str, messages: Sequence[Message], *, key: str) -> Overgrown | None:
        async with self._connection() as db:
            async with db.transaction():
                await db.execute(
                    self._sql("INSERT INTO {schema}.threads (thread) VALUES ($1) ON CONFLICT DO NOTHING"), thread
                )
                head = await db.fetchrow(
                    self._sql("SELECT covered, summary FROM {schema}.threads WHERE thread = $1 FOR UPDATE"), thread
                )
                assert head is not None  # noqa: S101 - written two lines above, in the same transaction
                added = await db.fetchval(
                    self._sql(
                        "INSERT INTO {schema}.additions (thread, key) VALUES ($1, $2) "
                        "ON CONFLICT DO NOTHING RETURNING key"
                    ),
                    thread,
                    key,
                )
                first = await self._count(db, thread)
                if added is not None:
                    await db.executemany(
                        self._sql("INSERT INTO {schema}.messages (thread, number, message) VALUES ($1, $2, $3)"),
                        [(thread, first + n, json.dumps(message)) for n, message in enumerate(messages)],
                    )
            covered = int(head["covered"])
            grown = self._window.overgrown(
                await self._from(db, thread, covered), covered=covered, summary=head["summary"]
            )
        if self._embeddings is not None:
            await self._index(thread)
        return grown

    async def save_summary(self, thread: str, upto: int, summary: str) -> None:
        async with self._connection() as db:
            await db.execute(
                self._sql("UPDATE {schema}.threads SET covered = $2, summary = $3 WHERE thread = $1 AND covered < $2"),
                thread,
                upto,
                summary,
            )

    async def forget(self, thread: str) -> None:
        async with self._connection() as db:
            await db.execute(self._sql("DELETE FROM {schema}.threads WHERE thread = $1"), thread)

    async def _count(self, db: Any, thread: str) -> int:
        return int(
            await db.fetchval(
                self._sql("SELECT coalesce(max(number) + 1, 0) FROM {schema}.messages WHERE thread = $1"), thread
            )
        )

    async def _from(self, db: Any, thread: str, number: int) -> list[Message]:
        rows = await db.fetch(
            self._sql("SELECT message FROM {schema}.messages WHERE thread = $1 AND number >= $2 ORDER BY number"),
            thread,
            number,
        )
        return [json.loads(row["message"]) for row in rows]

    # Vectors

    async def _index(self, thread: str) -> None:
        """Make passages of what the thread holds beyond the last one: a turn's question with its last answer."""
        async with self._connection() as db:
            after = await db.fetchval(
                self._sql("SELECT coalesce(max(number), -1) FROM {schema}.passages WHERE thread = $1"), thread
            )
            messages = await self._from(db, thread, int(after) + 1)
        found = _passages(messages, int(after) + 1)
        if not found or self._embeddings is None:
            return
        vectors = await self._embeddings.embed([passage for _, passage in found])
        async with self._connection() as db:
            await db.executemany(
                self._sql(
                    "INSERT INTO {schema}.passages (thread, number, passage, embedding) "
                    "VALUES ($1, $2, $3, ($4::text)::{extension}.vector) ON CONFLICT DO NOTHING"
                ),
                [
                    (thread, number, passage, _literal(vector))
                    for (number, passage), vector in zip(found, vectors, strict=True)
                ],
            )

    async def _nearest(self, thread: str, query: str, *, before: int) -> list[str]:
        if self._embeddings is None or before <= 0 or not query.strip():
            return []
        [vector] = await self._embeddings.embed([query], query=True)
        async with self._connection() as db:
            rows = await db.fetch(
                self._sql(
                    "SELECT passage FROM {schema}.passages WHERE thread = $1 AND number < $2 "
                    "ORDER BY embedding OPERATOR({extension}.<=>) ($3::text)::{extension}.vector LIMIT $4"
                ),
                thread,
                before,
                _literal(vector),
                self._passages,
            )
        return [row["passage"] for row in rows]

    # The database

    def _sql(self, text: str) -> str:
        return text.replace("{schema}", self._schema).replace("{extension}", self._vector)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Any]:
        import asyncpg

        try:
            async with self._pool.acquire() as db:
                await self._make(db)
                yield db
        except (
            OSError,
            asyncpg.PostgresConnectionError,
            asyncpg.InterfaceError,
            asyncpg.OperatorInterventionError,  # it is being stopped, or is not ready yet
            asyncpg.ReadOnlySQLTransactionError,  # a standby that is not the primary yet
        ) as error:
            raise UpstreamDownError("memory: PostgreSQL does not answer") from error
        except (asyncpg.InsufficientResourcesError, asyncpg.TransactionRollbackError) as error:
            raise BusyError("memory: PostgreSQL is too busy, or has no room") from error
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise ConfigError("memory: PostgreSQL does not take the user or the password") from error
        except (asyncpg.InvalidCatalogNameError, asyncpg.InsufficientPrivilegeError) as error:
            raise ConfigError(
                "memory: PostgreSQL lacks the database, or the user may not make the schema, tables or extension there"
            ) from error

    async def _make(self, db: Any) -> None:
        if self._made:
            return
        async with self._making:
            if self._made:
                return
            dimensions = await self._dimensions()
            async with db.transaction():
                await db.execute("SELECT pg_advisory_xact_lock(7245911)")  # two programs that start at once
                await db.execute(self._sql(_TABLES))
                if dimensions is not None:
                    await self._make_passages(db, dimensions)
            self._made = True

    async def _make_passages(self, db: Any, dimensions: int) -> None:
        import asyncpg

        try:
            await db.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except (asyncpg.UndefinedFileError, asyncpg.FeatureNotSupportedError) as error:
            raise UnsupportedError(
                "memory: this PostgreSQL has no pgvector: install it there, or leave `enable_vector_search` out"
            ) from error
        self._vector = await db.fetchval(
            "SELECT quote_ident(nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace "
            "WHERE extname = 'vector'"
        )
        await db.execute(self._sql(_PASSAGES).replace("{dimensions}", str(dimensions)))
        had = await db.fetchval(
            "SELECT atttypmod FROM pg_attribute WHERE attrelid = $1::regclass AND attname = 'embedding'",
            f"{self._schema}.passages",
        )
        if had != dimensions:
            raise ConfigError(
                f"memory: the passages in schema {self._schema} have vectors of {had} numbers, the embeddings make "
                f"{dimensions}: use the model of before, or another `schema`"
            )

    async def _dimensions(self) -> int | None:
        if self._embeddings is None:
            return None
        known = self._embeddings.dimensions
        return known if known is not None else len((await self._embeddings.embed(["dimensions"]))[0])


def _passages(messages: Sequence[Message], first: int) -> list[tuple[int, str]]:
    """Each whole turn as one text, numbered by its last message."""
    found: list[tuple[int, str]] = []
    question = ""
    for place, message in enumerate(messages):
        if opens_a_turn(message):
            question = text_of(message)
        elif question and message.get("kind") == "response" and (answer := text_of(message)):
            found.append((first + place, f"{question}\n{answer}"[:_LONGEST_PASSAGE]))
    return found


def _literal(vector: Sequence[float]) -> str:
    return "[" + ",".join(f"{each:.7g}" for each in vector) + "]"
