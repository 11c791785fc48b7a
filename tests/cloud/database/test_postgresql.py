"""The centre on a real PostgreSQL: restarted, killed, failed over, and only waited for."""

import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.database import Database, DatabaseAway
from haihe_cloud.ingest import worker
from haihe_cloud.ingest.inbox import Inbox, Message
from haihe_cloud.ingest.worker import Worker
from haihe_cloud.ledger.arrival import ArrivalEntry
from haihe_cloud.ledger.booking import Booking
from haihe_cloud.ledger.follow import follow
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.opening import check_database, open_database
from haihe_cloud.settings import BrokerSettings, PostgresqlDatabase, Settings
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract import topic
from haihe_contract.clock import SystemClock
from haihe_contract.errors import FieldError
from haihe_contract.ranges import RangeSet

from tests.cloud.samples import STATION, T0, StillClock, arrival, data
from tests.conftest import wait_for

if TYPE_CHECKING:
    from tests.postgresql import Postgresql

pytestmark = pytest.mark.postgresql
Open = Callable[..., Database]


@pytest.fixture
def open_here(postgresql: "Postgresql") -> Iterator[Open]:
    """Opens the database of this test: an area of its own, on the server's own or further hosts."""
    from haihe_cloud.sql.postgresql import PostgresqlDatabase as Server

    schema = f"here_{random.Random().randrange(10**9)}"
    postgresql.ask(f"CREATE SCHEMA {schema}")
    opened: list[Database] = []

    def open_(*more_hosts: str) -> Database:
        opened.append(Server(postgresql.conninfo(schema, *more_hosts), postgresql.password))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


class Page:
    """A follower that remembers the positions it has seen."""

    name = "page"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def handle(self, entry: ArrivalEntry, batch: object, connection: object) -> None:
        self.seen.append(entry.position)


class Centre:
    """A worker and a follower at work in threads of their own, and a station that says number after number."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.stop = threading.Event()
        self.ledger = Ledger(database, centre="haihe", clock=StillClock())
        registry = Registry(database)
        registry.add(Station(STATION))
        self.inbox = Inbox(1000)
        self.store = SqliteStore(directory / "series.db")
        self.acknowledged: list[int] = []
        self.said = 0
        self.page = Page()
        self.worker = Worker(
            self.inbox,
            self.store,
            self.ledger,
            registry,
            lambda name, payload: True,
            Ed25519PrivateKey.generate(),
            clock=SystemClock(),
            chance=random.Random(1),
            stop=self.stop,
        )
        self._threads = [
            threading.Thread(target=self.worker.run),
            threading.Thread(target=follow, args=(self.ledger, database, self.page, self.stop)),
        ]
        for thread in self._threads:
            thread.start()

    def say(self, count: int) -> None:
        for _ in range(count):
            self.said += 1
            number = self.said
            message = Message(topic.up(STATION, 1), data([2, number]), T0, partial(self.acknowledged.append, number))
            assert self.inbox.put(message, urgent=False)

    def held(self) -> RangeSet:
        return self.ledger.lines(STATION)[0].held

    def caught_up(self) -> bool:
        return len(self.acknowledged) == self.said

    def end(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()
        self.store.close()


@pytest.fixture
def centre(tmp_path: Path, open_here: Open) -> Iterator[Centre]:
    made = Centre(tmp_path, open_here())
    yield made
    made.end()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_goes_away_and_comes_back_only_makes_the_worker_wait(
    centre: Centre, postgresql: "Postgresql", how: str
) -> None:
    centre.say(5)
    wait_for(centre.caught_up, "the first batches are taken")
    getattr(postgresql, how)()
    before = len(centre.acknowledged)
    centre.say(5)
    wait_for(lambda: centre.worker.trouble, "the fault is named")
    assert centre.worker.trouble.startswith("database: ")
    assert len(centre.acknowledged) == before, "acknowledged while nothing could be committed"
    postgresql.start()
    wait_for(centre.caught_up, "what waited is taken", 30)
    centre.say(1)
    wait_for(centre.caught_up, "the next batch is taken")
    assert centre.held() == RangeSet.of((1, 11))
    last = centre.ledger.arrivals(0, 1000)[-1].position
    wait_for(lambda: centre.page.seen[-1:] == [last], "the follower has come to the end")
    assert sorted(set(centre.page.seen)) == list(range(1, last + 1))
    assert not centre.worker.trouble


def test_restarts_in_the_middle_of_ingest_lose_nothing_that_was_acknowledged(
    centre: Centre, postgresql: "Postgresql"
) -> None:
    for how in (postgresql.stop, postgresql.kill, postgresql.stop):
        centre.say(200)
        wait_for(lambda: centre.said - len(centre.acknowledged) < 190, "it is in the middle", 30)
        how()
        postgresql.start()
    wait_for(centre.caught_up, "everything is taken", 60)
    assert centre.held() == RangeSet.of((1, 600))
    last = centre.ledger.arrivals(0, 1000)[-1].position
    wait_for(lambda: centre.page.seen[-1:] == [last], "the follower has come to the end", 20)
    assert sorted(set(centre.page.seen)) == list(range(1, last + 1))


def test_a_question_after_a_restart_is_answered_at_once(open_here: Open, postgresql: "Postgresql") -> None:
    ledger = Ledger(open_here(), centre="haihe", clock=StillClock())
    ledger.take([arrival([1, 2])])
    postgresql.restart()
    assert len(ledger.arrivals(0)) == 1
    postgresql.restart()
    ledger.take([arrival([3])])
    assert len(ledger.arrivals(0)) == 2


def test_a_transaction_that_a_restart_has_cut_is_undone_and_says_not_now(
    open_here: Open, postgresql: "Postgresql"
) -> None:
    database = open_here()

    def cut() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO meta VALUES('word', 1)")
            postgresql.restart()
            connection.execute("INSERT INTO meta VALUES('other', 1)")

    with pytest.raises(DatabaseAway):
        cut()
    assert database.connection().execute("SELECT * FROM meta WHERE name IN ('word', 'other')").fetchall() == []


def test_what_was_acknowledged_is_on_the_standby_that_takes_over(tmp_path: Path) -> None:
    from haihe_cloud.sql.postgresql import PostgresqlDatabase as Server

    from tests.postgresql import NoPostgresql, Postgresql

    try:
        primary = Postgresql()
    except NoPostgresql as why:
        pytest.skip(str(why))
    standby = Postgresql(of=primary)
    primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.ask("SELECT pg_reload_conf()")
    wait_for(lambda: primary.ask("SELECT 1 FROM pg_stat_replication WHERE sync_state='sync'"), "the standby follows")
    database = Server(primary.conninfo("public", standby.directory), primary.password)
    centre = Centre(tmp_path, database)
    try:
        centre.say(100)
        wait_for(lambda: len(centre.acknowledged) > 10, "it is in the middle", 30)
        primary.kill()
        standby.promote()
        standby.ask("ALTER SYSTEM SET synchronous_standby_names = ''")
        standby.ask("SELECT pg_reload_conf()")
        wait_for(centre.caught_up, "everything is taken on the other host", 60)
        assert centre.held() == RangeSet.of((1, 100))
        assert standby.ask("SELECT count(*) FROM arrival")[0][0] == len(centre.ledger.arrivals(0, 1000))
    finally:
        centre.end()
        database.close()
        standby.remove()
        primary.remove()


def test_a_standby_that_is_waited_for_in_vain_is_named_and_nothing_is_acknowledged_even_when_somebody_cancels(
    centre: Centre, postgresql: "Postgresql", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_SLOW_MS", 300)
    waits = "SELECT pid FROM pg_stat_activity WHERE wait_event='SyncRep' AND query='COMMIT'"
    centre.say(2)
    wait_for(centre.caught_up, "the first batches are taken")
    postgresql.ask("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    postgresql.ask("SELECT pg_reload_conf()")
    try:
        wait_for(lambda: postgresql.ask("SHOW synchronous_standby_names") == [("nobody",)], "it is set")
        centre.say(2)
        wait_for(lambda: postgresql.ask(waits), "a commit waits for the standby")
        wait_for(lambda: centre.worker.trouble.startswith("database: no answer"), "the fault is named")
        postgresql.ask(f"SELECT pg_cancel_backend(pid) FROM ({waits}) AS waiting")
        wait_for(lambda: "replicat" in centre.worker.trouble, "the cancelled wait is a fault")
        wait_for(lambda: postgresql.ask(waits), "the work is done again, and waits again")
        assert len(centre.acknowledged) == 2
    finally:
        postgresql.ask("ALTER SYSTEM RESET synchronous_standby_names")
        postgresql.ask("SELECT pg_reload_conf()")
    wait_for(centre.caught_up, "everything is taken", 20)
    wait_for(lambda: not centre.worker.trouble, "the fault is over")
    assert centre.held() == RangeSet.of((1, 4))


def test_a_commit_is_durable_whatever_the_servers_own_setting_is(open_here: Open, postgresql: "Postgresql") -> None:
    postgresql.ask("ALTER ROLE haihe SET synchronous_commit = off")
    try:
        with open_here().transaction() as connection:
            assert connection.execute("SHOW synchronous_commit").fetchone()[0] == "on"
        postgresql.ask("ALTER ROLE haihe SET synchronous_commit = remote_apply")
        with open_here().transaction() as connection:
            assert connection.execute("SHOW synchronous_commit").fetchone()[0] == "remote_apply"
    finally:
        postgresql.ask("ALTER ROLE haihe RESET synchronous_commit")


def test_stricter_isolation_on_the_server_does_not_let_a_worker_see_an_old_line(
    open_here: Open, postgresql: "Postgresql"
) -> None:
    postgresql.ask("ALTER ROLE haihe SET default_transaction_isolation = 'repeatable read'")
    try:
        first, second = open_here(), open_here()
        ledger = Ledger(first, centre="haihe", clock=StillClock())
        other = Ledger(second, centre="haihe", clock=StillClock())
        with first.transaction():
            waiting = threading.Thread(target=other.take, args=([arrival([2])],))
            waiting.start()
            wait_for(
                lambda: postgresql.ask("SELECT 1 FROM pg_locks WHERE locktype='advisory' AND NOT granted"), "it waits"
            )
            assert ledger.lines(STATION) == []
            booking = Booking(first.connection(), [arrival([1])])
            assert booking.book(arrival([1]))
            booking.save()
        waiting.join(10)
        assert ledger.lines(STATION)[0].held == RangeSet.of((1, 2))
    finally:
        postgresql.ask("ALTER ROLE haihe RESET default_transaction_isolation")


def settings(tmp_path: Path, conninfo: str, password: str) -> Settings:
    (tmp_path / "password").write_text(password + "\n")
    broker = BrokerSettings("localhost", 8883, "", "", "")
    chosen = PostgresqlDatabase(conninfo, str(tmp_path / "password"))
    return Settings(str(tmp_path), broker, "", database=chosen)


def test_the_settings_open_it_with_the_password_from_its_file(
    tmp_path: Path, postgresql: "Postgresql", open_here: Open
) -> None:
    told = settings(tmp_path, open_here().conninfo, postgresql.password)  # type: ignore[attr-defined]
    check_database(told)
    opened = open_database(told)
    assert "password" not in opened.where
    opened.close()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda conninfo: conninfo.replace("host=", "hostt="), "written wrongly"),
        (lambda conninfo: conninfo + " password=secret", "a password stands in the settings"),
        (lambda conninfo: conninfo.replace("dbname=postgres", ""), "names no database"),
    ],
)
def test_a_connection_that_cannot_be_right_is_refused_before_anything_starts(
    tmp_path: Path, postgresql: "Postgresql", change: Callable[[str], str], what: str
) -> None:
    told = settings(tmp_path, change(postgresql.conninfo()), postgresql.password)
    for act in (check_database, open_database):
        with pytest.raises(FieldError, match=what) as caught:
            act(told)
        assert caught.value.do
        assert "secret" not in str(caught.value)


def test_a_server_that_cannot_be_reached_or_does_not_know_us_is_said_in_words(
    tmp_path: Path, postgresql: "Postgresql"
) -> None:
    nowhere = settings(tmp_path, f"host={tmp_path} dbname=haihe user=haihe", "any")
    for told in (nowhere, settings(tmp_path, postgresql.conninfo(), "wrong")):
        with pytest.raises(FieldError, match="cannot be reached") as caught:
            open_database(told)
        assert "password file" in caught.value.do
        assert "\n" not in caught.value.what


def test_a_user_that_may_make_no_tables_is_told_who_may(tmp_path: Path, postgresql: "Postgresql") -> None:
    postgresql.ask("CREATE SCHEMA closed")
    postgresql.ask(f"CREATE ROLE guest LOGIN PASSWORD '{postgresql.password}'")
    told = settings(tmp_path, postgresql.conninfo("closed").replace("user=haihe", "user=guest"), postgresql.password)
    with pytest.raises(FieldError, match="cannot be used") as caught:
        open_database(told)
    assert "OWNER" in caught.value.do


def test_a_database_that_cannot_hold_every_name_is_refused(tmp_path: Path, postgresql: "Postgresql") -> None:
    postgresql.ask("CREATE DATABASE narrow ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    told = settings(tmp_path, postgresql.conninfo().replace("dbname=postgres", "dbname=narrow"), postgresql.password)
    with pytest.raises(FieldError, match="LATIN1"):
        open_database(told)
