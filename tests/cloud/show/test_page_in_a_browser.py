"""The page in a real browser: what a dispatcher does with it, and that it says so when it stands still."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import which

import pytest
from haihe_contract.quality import Grade
from haihe_contract.record import LANE_LIVE, Readings
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.cloud.show.flood import CAST, Centre, Journal, crowd, fill, serve

CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield made
        made.close()


def open_page(browser: Browser, address: str, *, size: dict[str, int] = DESK, zone: str = "America/New_York") -> Page:
    """A page whose every request and fault is kept."""
    context = browser.new_context(viewport=size, timezone_id=zone)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.requests_made = []  # type: ignore[attr-defined]
    page.faults = []  # type: ignore[attr-defined]
    page.on("request", lambda request: page.requests_made.append(request.url))  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.faults.append(str(error)))  # type: ignore[attr-defined]
    page.on(
        "console",
        lambda message: (
            page.faults.append(message.text)  # type: ignore[attr-defined]
            if message.type == "error" and "ERR_CONNECTION" not in message.text and "ERR_INCOMPLETE" not in message.text
            else None
        ),
    )
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    page.wait_for_selector(".row", state="attached")
    return page


def ink(page: Page) -> int:
    """How many pixels of the hydrograph are drawn on."""
    return int(
        page.evaluate(
            """() => { const c = document.querySelector('#station canvas');
            if (!c || !c.width) return 0;
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            let n = 0;
            for (let i = 0; i < d.length; i += 4) if (d[i + 3] && d[i] < 40 && d[i + 2] > 120) n++;
            return n; }"""
        )
    )


def test_the_desk_shows_map_list_hydrograph_and_alarms_and_asks_nobody_else(browser: Browser, address: str) -> None:
    page = open_page(browser, address + "/?lang=zh")
    expect(page.locator(".row")).to_have_count(9)
    expect(page.locator(".mark")).to_have_count(9)
    expect(page.locator(".row").first).to_contain_text("屈家店闸")
    expect(page.locator(".row").first).to_contain_text("超保证")
    expect(page.locator("#station .figure")).to_contain_text("7.")
    expect(page.locator("#alarms .alarm.open").first).to_be_visible()
    expect(page.locator("#station canvas")).to_be_visible()
    assert any(ink(page) > 60 or page.wait_for_timeout(50) for _ in range(100))
    page.click("[data-code='30950606']")
    expect(page.locator("#station .not-current")).to_be_visible()
    page.click("[data-range='7d']")
    expect(page.locator("[data-range='7d']")).to_have_attribute("aria-pressed", "true")
    assert all(url.startswith((address, "data:")) for url in page.requests_made)  # type: ignore[attr-defined]
    assert page.faults == []  # type: ignore[attr-defined]
    page.context.close()


def test_the_language_switch_is_remembered(browser: Browser, address: str) -> None:
    page = open_page(browser, address)
    expect(page.locator("#list-title")).to_have_text("测站")
    page.click(".language")
    expect(page.locator("#list-title")).to_have_text("Stations")
    page.goto(address)
    expect(page.locator("#list-title")).to_have_text("Stations")
    assert page.evaluate("document.documentElement.lang") == "en"
    page.context.close()


def test_times_are_beijing_time_whatever_the_browser_thinks(browser: Browser, address: str, flooded: Centre) -> None:
    texts = []
    for zone in ("America/New_York", "Asia/Shanghai"):
        page = open_page(browser, address + "/#30950202", zone=zone)
        texts.append(page.locator("#station .s-now dd small").first.inner_text())
        page.context.close()
    assert texts[0] == texts[1]


def test_the_phone_has_tabs_and_a_way_back(browser: Browser, address: str) -> None:
    page = open_page(browser, address + "/?lang=zh", size=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.click(".row >> nth=1")
    expect(page.locator("#station-title")).to_have_text("筐儿港")
    expect(page.locator("#list")).to_be_hidden()
    page.click(".back")
    expect(page.locator("#list")).to_be_visible()
    page.click("#tabs [data-tab='map-box']")
    expect(page.locator("#map")).to_be_visible()
    box = page.locator("#map").bounding_box()
    marks = page.locator(".mark").evaluate_all("all => all.map(e => e.getBoundingClientRect().x)")
    assert box
    assert all(0 <= x <= PHONE["width"] for x in marks)
    page.click("#tabs [data-tab='alarms']")
    expect(page.locator("#alarms .alarm").first).to_be_visible()
    assert page.faults == []  # type: ignore[attr-defined]
    page.context.close()


def test_a_keyboard_reaches_station_and_chart(browser: Browser, address: str) -> None:
    page = open_page(browser, address)
    page.focus(".row >> nth=2")
    page.keyboard.press("Enter")
    expect(page.locator("#station-title")).to_have_text("里自沽闸")
    page.focus("[data-range='6h']")
    page.keyboard.press("Enter")
    expect(page.locator("[data-range='6h']")).to_have_attribute("aria-pressed", "true")
    page.context.close()


def test_an_alarm_is_answered_with_a_name_and_live_values_arrive(browser: Browser, tmp_path: Path) -> None:
    centre = Centre(tmp_path)
    journals = fill(centre, hours=1)
    centre.start()
    try:
        with serve(centre, write_token="s3cret") as address:
            page = open_page(browser, address + "/?lang=zh")
            expect(page.locator("#alarms .alarm.open").first).to_be_visible()  # counting does not wait for the list
            before = page.locator("#alarms .alarm.open").count()
            page.click("#alarms .do >> nth=0")
            page.fill("dialog [name=who]", "王海燕 <b>")
            page.fill("dialog [name=note]", "已通知巡堤")
            page.fill("dialog [name=token]", "wrong")
            page.click("dialog [type=submit]")
            expect(page.locator("dialog .wrong")).to_contain_text("口令不正确")
            page.fill("dialog [name=token]", "s3cret")
            page.click("dialog [type=submit]")
            expect(page.locator("#alarms .alarm.open")).to_have_count(before - 1)
            expect(page.locator("#alarms .who").first).to_contain_text("王海燕 <b>")
            say(centre, journals["30950404"], 4.44)
            expect(page.locator("[data-code='30950404']")).to_contain_text("4.44")
            expect(page.locator(".row").nth(1)).to_contain_text("三岔口")
            page.context.close()
    finally:
        centre.close()


def say(centre: Centre, journal: Journal, level: float) -> None:
    now = centre.clock.now_ms()
    records = [journal.next(Readings(now, int(Grade.GNSS), [0], [level]))]
    centre.take(journal.part.code, journal.line, records, lane=LANE_LIVE, head=journal.number, tail=1, at=now)


def test_the_page_says_when_it_stands_still_and_recovers_by_itself(browser: Browser, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with ExitStack() as running:
        centre = Centre(tmp_path)
        journals = fill(centre, hours=0.5)
        centre.start()
        running.enter_context(serve(centre, port=port))
        page = open_page(browser, f"http://127.0.0.1:{port}/?lang=zh")
        expect(page.locator(".life")).to_have_text("实时")
        running.close()
        centre.close()
        expect(page.locator("#trouble")).to_be_visible(timeout=15_000)
        expect(page.locator(".life")).to_have_text("重连中…")
        again = Centre(tmp_path)
        again.start()
        running.callback(again.close)
        running.enter_context(serve(again, port=port))
        expect(page.locator(".life")).to_have_text("实时", timeout=15_000)
        expect(page.locator("#trouble")).to_be_hidden()
        say(again, journals["30950404"], 3.33)
        expect(page.locator("[data-code='30950404']")).to_contain_text("3.33")
        page.context.close()


def test_the_api_page_lists_every_address_without_help_from_elsewhere(browser: Browser, address: str) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address + "/docs/?lang=en")
    expect(page.locator("article").filter(has_text="GET /api/v1/stations/{code}/rain")).to_be_visible()
    assert all(url.startswith(address) for url in asked)
    page.close()


def test_three_hundred_stations_fit_on_the_page(browser: Browser, tmp_path: Path) -> None:
    centre = Centre(tmp_path)
    fill(centre, hours=0.2)
    crowd(centre, 300 - len(CAST) - 1)
    centre.start()
    try:
        with serve(centre) as address:
            page = open_page(browser, address)
            expect(page.locator(".row")).to_have_count(300)
            page.fill("#list input", "测站007")
            expect(page.locator(".row")).to_have_count(1)
            assert page.faults == []  # type: ignore[attr-defined]
            page.context.close()
    finally:
        centre.close()
