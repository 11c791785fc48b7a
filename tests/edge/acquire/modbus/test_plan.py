"""Reads stay inside what the profile declares."""

from haihe_edge.acquire.modbus.frames import Request
from haihe_edge.acquire.modbus.plan import plan, telling_read
from haihe_edge.profile import WORDS_OF, Answer, Block, ModbusProfile, Point
from hypothesis import given
from hypothesis import strategies as st


def profile_of(blocks: tuple[Block, ...], points: tuple[Point, ...], **more: object) -> ModbusProfile:
    return ModbusProfile(
        profile="x", maker="m", model="m", grade="simulated", sources=("s",), blocks=blocks, points=points,
        answer_ms=Answer(1, 1), **more,  # type: ignore[arg-type]
    )  # fmt: skip


@st.composite
def profiles(draw: st.DrawFn) -> ModbusProfile:
    blocks, points, start = [], [], draw(st.integers(0, 100))
    for _ in range(draw(st.integers(1, 4))):
        count = draw(st.integers(1, 125))
        blocks.append(Block("holding", start, count))
        for _ in range(draw(st.integers(0, 6))):
            kind = draw(st.sampled_from(sorted(kind for kind, words in WORDS_OF.items() if words <= count)))
            at = start + draw(st.integers(0, count - WORDS_OF[kind]))
            points.append(Point(f"p{len(points)}", at, kind))  # type: ignore[arg-type]
        start += count + draw(st.integers(0, 50))
    most = draw(st.sampled_from([4, 8, 125]))
    return profile_of(tuple(blocks), tuple(points), registers_most=most)


@given(profiles(), st.data())
def test_reads_bring_every_wanted_point_and_stay_inside_blocks(profile: ModbusProfile, data: st.DataObject) -> None:
    names = [point.name for point in profile.points]
    wanted = set(data.draw(st.lists(st.sampled_from(names), unique=True))) if names else set()
    reads = plan(profile, 9, wanted)
    assert sorted(field.name for read in reads for field in read.fields) == sorted(wanted)
    for read in reads:
        first, quantity = read.request.start, read.request.quantity
        assert 1 <= quantity <= profile.registers_most
        assert any(block.start <= first and first + quantity <= block.start + block.count for block in profile.blocks)
        for field in read.fields:
            point = profile.point(field.name)
            assert point is not None
            assert first <= point.at
            assert point.at + point.words <= first + quantity


@given(profiles())
def test_a_telling_read_has_a_length_of_its_own(profile: ModbusProfile) -> None:
    reads = plan(profile, 9, {point.name for point in profile.points})
    telling = telling_read(profile, reads)
    if telling is not None:
        assert telling.quantity not in {read.request.quantity for read in reads}
        assert any(block.start == telling.start and telling.quantity <= block.count for block in profile.blocks)


def test_a_sonde_that_knows_whole_blocks_only_is_asked_for_them() -> None:
    points = (Point("a", 0x2601, "f32"), Point("b", 0x2609, "f32"))
    profile = profile_of((Block("holding", 0x2601, 16),), points, merge="whole")
    assert [read.request for read in plan(profile, 1, {"b"})] == [Request(1, 3, 0x2601, 16)]
    assert telling_read(profile, plan(profile, 1, {"b"})) is None
