"""The roles of PostgreSQL that docs/hardening.md makes: each can do its work, and nothing else."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from core.errors import SettingsInvalid
from core.process.settings import read_settings
from core.store import open_database
from standalone.envoy import find_envoy
from tests.e2e.running import Running
from tests.ports import free_port
from tests.services import Postgres, missing, wait_for

PAGE = Path(__file__).resolve().parents[2] / "docs" / "hardening.md"
OWNER, RUN, READ = "rushes_owner", "rushes_run", "rushes_read"
DATABASE = "rushes"


class Roles:
    """A PostgreSQL on which the page's statements were run."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        text = PAGE.read_text()
        self._cluster, self._database = re.findall(r"^```sql\n(.*?)^```", text, re.DOTALL | re.M)

    def make(self) -> None:
        self.run("rushes", self._cluster, database="postgres")
        self.run("rushes", self._database)

    def url(self, role: str, database: str = DATABASE) -> str:
        return f"postgresql://{role}@/{database}?host={self._server.folder}"

    def run(self, role: str, text: str, database: str = DATABASE) -> list[Any]:
        """What the last statement gives; each is a transaction of its own."""
        with closing(psycopg2.connect(self.url(role, database))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in re.sub("--.*", "", text).split(";"):
                    if statement.strip():
                        cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def tables(self) -> list[str]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        return [name for (name,) in self.run(OWNER, query)]


@pytest.fixture(scope="module")
def roles() -> Iterator[Roles]:
    """On a cluster of its own: roles are the whole cluster's."""
    server = Postgres()
    server.start()
    try:
        made = Roles(server)
        made.make()
        yield made
    finally:
        server.stop()


@pytest.fixture(scope="module")
def owned(roles: Roles) -> Roles:
    """The same, when the owner has made the tables."""
    open_database(read_settings(database_url=roles.url(OWNER))).close()
    return roles


def test_who_may_not_make_tables_is_told_which_role_may(roles: Roles) -> None:
    roles.run("rushes", "CREATE DATABASE bare OWNER rushes_owner", database="postgres")

    for role in (RUN, READ):
        with pytest.raises(SettingsInvalid) as caught:
            open_database(read_settings(database_url=roles.url(role, "bare")))
        assert caught.value.message.startswith("RUSHES_DATABASE_URL: ")
        assert "owns" in caught.value.message


def test_who_only_reads_can_not_serve(owned: Roles) -> None:
    with pytest.raises(SettingsInvalid, match="RUSHES_DATABASE_URL: "):
        open_database(read_settings(database_url=owned.url(READ)))


def test_who_runs_has_all_that_running_needs(owned: Roles, tmp_path: Path) -> None:
    # Given a whole run whose processes have the role that runs
    if find_envoy() is None:
        missing("Envoy")
    with closing(Running(tmp_path, free_port(), RUSHES_DATABASE_URL=owned.url(RUN))) as run:
        run.start()
        rest = run.rest("alice")

        # When a user makes, finds, changes and erases something
        body = {"spec": {"prompt": "a boat", "size": "256x256"}}
        made = rest("POST /v1/images:generate", body).json["job"]["jobId"]
        job = wait_for(lambda: ended(rest, made), "the job to end")
        assert job["state"] == "SUCCEEDED"
        item = job["outputs"][0]
        assert rest.media(item["url"]).status == 200
        title = {"title": "mine"}
        assert rest(f"PATCH /v1/media/{item['mediaId']}", title).json["media"]["title"] == "mine"
        assert rest("GET /v1/media?query=mine").json["media"]
        assert rest(f"DELETE /v1/media/{item['mediaId']}?permanent=true").status == 200

        # Then it was done in PostgreSQL, and no process complained
        assert owned.run(OWNER, "SELECT count(*) FROM job") == [(1,)]
        assert owned.run(OWNER, "SELECT count(*) FROM media") == [(0,)]
        assert run.interrupt() == 0, run.printed
        logs = "".join(path.read_text() for path in (run.data / "logs").glob("*.log"))
        assert "permission denied" not in logs
        assert "InsufficientPrivilege" not in logs


def ended(rest: Any, job_id: str) -> Any:
    job = rest(f"GET /v1/jobs/{job_id}?wait=10s").json["job"]
    return job if job["state"] in ("SUCCEEDED", "FAILED") else None


STRUCTURE = [
    "CREATE TABLE mine (a int)",
    "DROP TABLE job",
    "ALTER TABLE job ADD COLUMN mine int",
    "CREATE INDEX mine ON job (state)",
    "TRUNCATE job",
    "CREATE TRIGGER mine BEFORE UPDATE ON job EXECUTE FUNCTION tsvector_update_trigger()",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "SET ROLE rushes_owner",
    "SELECT rolpassword FROM pg_authid",
    "COPY job TO PROGRAM 'true'",
    "COPY job TO '/tmp/mine'",
    "SELECT pg_read_file('/etc/passwd')",
]


@pytest.mark.parametrize("statement", STRUCTURE)
@pytest.mark.parametrize("role", [RUN, READ])
def test_who_runs_or_reads_changes_no_structure(owned: Roles, role: str, statement: str) -> None:
    with pytest.raises((errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)):
        owned.run(role, statement)


def test_who_reads_reads_everything_and_writes_nothing(owned: Roles) -> None:
    tables = owned.tables()
    assert {"job", "job_event", "media", "budget"} <= set(tables)
    for table in tables:
        owned.run(READ, f"SELECT count(*) FROM {table}")
        for statement in (f"DELETE FROM {table}", f"INSERT INTO {table} DEFAULT VALUES"):
            # The mode of its transactions is only a default; the rights are what counts.
            for mode in ("", "SET default_transaction_read_only = off;"):
                denied = (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)
                with pytest.raises(denied[:1] if mode else denied):
                    owned.run(READ, mode + statement)


def test_nobody_else_comes_in(owned: Roles) -> None:
    owned.run("rushes", "DROP ROLE IF EXISTS other; CREATE ROLE other LOGIN")

    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        owned.run("other", "SELECT 1")


def test_tables_of_a_later_version_get_the_same_rights(owned: Roles) -> None:
    owned.run(OWNER, "CREATE TABLE later (a int)")
    try:
        owned.run(RUN, "INSERT INTO later VALUES (1); UPDATE later SET a = 2; DELETE FROM later")
        owned.run(READ, "SELECT * FROM later")
    finally:
        owned.run(OWNER, "DROP TABLE later")
