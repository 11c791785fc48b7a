"""What can happen on a day; each fault says what it did, and is mended after a while."""

import errno
from contextlib import suppress
from functools import partial

from haihe_cloud.admit.registry import Station
from haihe_contract import topic

from haihe_simulators.disk import SimulatedDisk

from . import stick
from .card import Card
from .centre import Centre
from .faults import GIVING_WAY, LEFT_UNSEALED, Fault
from .machine import Machine
from .stage import Stage

PLENTY_BYTES = 1 << 40
LATER_S = 1800.0


class Happenings(Stage):
    """A stage on which things happen."""

    def _happens(self, fault: Fault) -> None:
        machine = self.machines[fault.station]
        self.account.say(f"{fault.kind} {machine.name} {self.centres[fault.centre].name} {fault.point}".rstrip())
        act = getattr(self, "_" + fault.kind.replace(" ", "_"))
        act(fault, machine, self.centres[fault.centre])

    def _cut(self, fault: Fault, machine: Machine, centre: Centre) -> None:
        self.account.hit("cut")
        for each in self.centres if fault.lasts_s > 1000 else [centre]:
            self._cut_off(each, machine.station)
            self._mend(fault.lasts_s, partial(self._splice, each, machine.station))

    def _cut_off(self, centre: Centre, station: str) -> None:
        centre.broker.cut[station] = "the link is cut"
        centre.broker.end_session(station, "the link is cut")

    def _splice(self, centre: Centre, station: str) -> None:
        """The link is back, and flaps for some minutes."""
        centre.broker.cut.pop(station, None)
        for _ in range(4):
            self._later(self._chance.uniform(0, 400), centre.broker.end_session, station, "the link flaps")

    def _freeze(self, fault: Fault, machine: Machine, centre: Centre) -> None:
        centre.broker.frozen_until[machine.station] = self._loop.time() + min(fault.lasts_s, 1800)
        self._mends.append(centre.broker.frozen_until.clear)

    def _disk_hangs(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        if machine.life is None:
            return
        self.account.hit("disk hangs")
        life = machine.life
        life.disk_delay_s = min(fault.lasts_s, 900)
        self._mend(fault.lasts_s, lambda: setattr(life, "disk_delay_s", 0.0))

    def _disk_full(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        disk = machine.card.disk
        if isinstance(disk, SimulatedDisk):
            self.account.hit("full disk")
            disk.capacity = max(0, disk.used_bytes() + self._chance.randrange(-40_000, 3000))
            self._mend(fault.lasts_s, self._others_make_room)

    def _others_make_room(self) -> None:
        for each in self.machines:
            if isinstance(each.card.disk, SimulatedDisk):
                each.card.disk.capacity = PLENTY_BYTES

    def _disk_refuses(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        disk = machine.card.disk
        if isinstance(disk, SimulatedDisk):
            self.account.hit("disk refuses")
            disk.refuses = self._chance.choice((errno.EIO, errno.EROFS, errno.ENOSPC))
            self._mend(fault.lasts_s, lambda: setattr(disk, "refuses", 0))

    def _disk_unreadable(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        machine.reads_fail = True
        self._mend(fault.lasts_s, lambda: setattr(machine, "reads_fail", False))

    def _clock_forward(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        self.account.hit("clock jump forward")
        self._set_clock(machine, fault, round(self._chance.uniform(1, 20) * 3_600_000))

    def _clock_back(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        self.account.hit("clock jump back")
        self._set_clock(machine, fault, -round(self._chance.uniform(0.5, 6)) * 3_600_000)

    def _clock_centuries_ahead(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        self.account.hit("clock centuries ahead")
        self._set_clock(machine, fault, 300 * 366 * 86_400_000)

    def _set_clock(self, machine: Machine, fault: Fault, ahead_ms: int) -> None:
        machine.clock.ahead_ms += ahead_ms
        self._mend(fault.lasts_s, lambda: setattr(machine.clock, "ahead_ms", 0))

    def _clock_none(self, fault: Fault, machine: Machine, centre: Centre) -> None:
        """The battery of its clock is empty: a power cut sets it to 1970, mostly where no link tells it the time."""
        self.account.hit("no clock at all")
        machine.clock.none = True
        self._lose_power(machine)
        if self._chance.random() < 0.7:
            self._cut(fault, machine, centre)
        if self._chance.random() < 0.5:  # nor does this boot ever learn the time
            self._later(fault.lasts_s - 1, self._lose_power, machine)
        self._mend(fault.lasts_s, lambda: setattr(machine.clock, "none", False))

    def _lose_power(self, machine: Machine) -> None:
        machine.pause_s, machine.power_fails = 5.0, True
        if machine.life is not None:
            machine.life.end("power cut at rest")

    def _power(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        machine.pause_s = fault.lasts_s if fault.lasts_s < 4000 else 30.0
        machine.power_fails = True
        if machine.life is not None:
            if self._chance.random() < 0.5:
                machine.life.end("power cut at rest")
            else:
                machine.life.stop_at = f"disk: {self._chance.choice(('write', 'sync', 'sync folder', 'create'))}"
                self._insist(machine)

    def _crash(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        machine.pause_s = self._chance.choice((1.0, 60.0, 900.0))
        machine.power_fails = self._chance.random() < 0.3
        if machine.life is not None and fault.point == LEFT_UNSEALED:
            machine.next_stop = fault.point
            machine.life.end("power cut at rest" if machine.power_fails else "killed at rest")
        elif machine.life is not None:
            machine.life.stop_at = fault.point
            if "RETRY" in fault.point or "_unsaved" in fault.point:
                self._disk_refuses(fault, machine, _centre)
            elif "_send" in fault.point:
                self._cut(fault, machine, _centre)
                self._later(fault.lasts_s - 5, self._disk_unreadable, fault, machine, _centre)
            elif "_session" in fault.point or "run" in fault.point:
                self._later(600, self._cut, fault, machine, _centre)
            if fault.point not in GIVING_WAY:
                self._insist(machine)
                return
            self._wait_for(fault.point, machine, self.account.hits[fault.point])

    def _wait_for(self, point: str, machine: Machine, met: int) -> None:
        """Whatever else ends an agent first: the next one is to be stopped there, cut off until its journal is full."""
        done = self.account.hits[point] > met
        for centre in self.centres if point == "disk: rename" else ():
            if done:
                self._splice(centre, machine.station)
            else:
                self._cut_off(centre, machine.station)
        if done:
            return
        if machine.life is not None and machine.life.stop_at is None:
            machine.life.stop_at = point
        self._later(900, self._wait_for, point, machine, met)

    def _insist(self, machine: Machine) -> None:
        """If the point is not met for long, any other will do."""
        life = machine.life

        def any_other() -> None:
            if life is not None and life.stop_at is not None:
                life.stop_at = ""

        self._later(3 * 3600, any_other)

    def _restart(self, _fault: Fault, machine: Machine, _centre: Centre) -> None:
        machine.pause_s = 20.0
        machine.stop()

    def _bundle(self, fault: Fault, machine: Machine, centre: Centre) -> None:
        """Somebody writes a bundle, carries it for hours, brings it twice, and brings receipts back."""
        if machine.recorder is None or machine.reads_fail:
            return
        held = machine.card.held(centre.name) if len(self._bundles) % 2 else {}
        data = stick.written(machine.card, machine.station, centre.name, held, self.truth_ms())
        self.account.hit("bundle, late and twice")
        self._later(fault.lasts_s + 3600, self._bring, centre, data)
        self._later(2 * fault.lasts_s + 7200, self._bring_back, centre, machine)
        self._bundles.append((centre, data))

    def _bring(self, centre: Centre, data: bytes) -> None:
        bundle = stick.read(data, self.truth_ms())
        centre.carried(bundle.head.station, bundle.batches)

    def _bring_back(self, centre: Centre, machine: Machine) -> None:
        """The receipt that the broker keeps for it, however old, by hand."""
        payload = dict(centre.broker.retained()).get(topic.receipt(machine.station, centre.name))
        if payload is None or machine.recorder is None:
            return
        self.account.hit("receipt by hand")
        self.account.heard(machine, centre.name, payload)
        forwarder = next(each for each in machine.recorder.forwarders if each.centre == centre.name)
        with suppress(OSError):  # the disk refuses to keep its epoch: whoever brings it is told
            forwarder.bring(payload)

    def _take_image(self, machine: Machine) -> None:
        self._files += 1
        self._images[machine.name] = machine.card.copy(self._folder / f"card-{self._files}")

    def _clone(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        """Its card is copied and runs in a second machine for an hour, under the same name."""
        self.account.hit("card cloned")
        self._files += 1
        twin = self._add(
            f"{machine.name}-clone", machine.station, machine.card.copy(self._folder / f"card-{self._files}")
        )
        self.account.cloned(machine, twin)
        self.begin()

        def take_away() -> None:
            if twin in self.machines:
                self.machines.remove(twin)
                twin.retired = True
                if twin.life is not None:
                    twin.life.end("taken away")
                self.account.retired(twin)

        self._mend(min(fault.lasts_s, 1800), take_away)

    def _roll_back(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        image = self._images.get(machine.name)
        if image is not None:
            self.account.hit("card rolled back")
            self._files += 1
            self._put_in(machine, image.copy(self._folder / f"card-{self._files}"))
            self._mend(fault.lasts_s, self._others_make_room)  # the image may be of a disk that others had filled

    def _dead_card(self, _fault: Fault, machine: Machine, _centre: Centre) -> None:
        self.account.hit("card dead")
        self._put_in(machine, self._new_card())

    def _put_in(self, machine: Machine, card: Card) -> None:
        machine.power_fails, machine.off = False, True
        if machine.life is not None:
            machine.life.end("its card is taken out")
        self.account.looked(machine, adopt=True)
        machine.pause_s = 60.0
        machine.card.disk.leave()
        machine.card = card
        self.account.set_back(machine)

    def _back_up(self, centre: Centre) -> None:
        if centre.up:
            self._backups.append((centre, centre.backup()))

    def _restore(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        if self._backups:
            centre, copy = self._chance.choice(self._backups)
            self.account.hit("centre restored from a backup")
            revoked = {machine.station for machine in self.machines if self.account.is_revoked(centre, machine.station)}
            centre.restore(copy)
            for station in revoked:  # the copy is of a time when it was not: whoever restores revokes again
                if centre.registry.get(station) is not None:
                    centre.registry.remove(station)
                self.account.revoked(centre, station)
            if self._chance.random() < 0.4:  # its broker comes back from a copy, too, and nothing is taken for hours
                self._later(LATER_S, partial(centre.broker.forget_everything, stale=True))
                self._later(LATER_S, self._store_away, fault._replace(lasts_s=4 * 3600.0), machine, centre)

    def _revoke(self, fault: Fault, machine: Machine, centre: Centre) -> None:
        """Its key is revoked at the centre and, in half of the days, at the broker too."""
        if not centre.up or centre.registry.get(machine.station) is None:
            return
        self.account.hit("revoked station")
        self.account.revoked(centre, machine.station)
        centre.registry.remove(machine.station)
        if self._chance.random() < 0.5:
            centre.broker.revoked.add(machine.station)

        def again() -> None:
            centre.broker.revoked.discard(machine.station)
            if not centre.up:
                centre.start()
            if centre.registry.get(machine.station) is None:
                self.account.admitted_again(centre, machine.station)
                centre.registry.add(Station(machine.station))

        self._mend(fault.lasts_s, again)

    def _forget(self, _fault: Fault, _machine: Machine, centre: Centre) -> None:
        centre.broker.forget_everything(stale=self._chance.random() < 0.3)

    def _store_away(self, fault: Fault, _machine: Machine, centre: Centre) -> None:
        centre.store_away = True
        self._mend(fault.lasts_s, lambda: setattr(centre, "store_away", False))

    def _kill_centre(self, fault: Fault, _machine: Machine, centre: Centre) -> None:
        centre.stop_at = fault.point

    def _flood(self, fault: Fault, machine: Machine, _centre: Centre) -> None:
        self.account.hit("flood stage")
        machine.flood = True
        self._mend(fault.lasts_s, lambda: setattr(machine, "flood", False))
