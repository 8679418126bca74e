"""What the page keeps: settings in links and commands, steps of undo, and when what is painted."""

from __future__ import annotations

import inspect
import random
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from browser import PAGE, needs_browser, served
from click.testing import CliRunner
from PIL import Image

from impasto.cli.options import ModelOptions, StyleOptions
from impasto.cli.stylize import stylize
from impasto.controls import Controls
from impasto.errors import OptionError
from impasto.images.options import ReadOptions, SaveOptions
from impasto.stylizer import load

pytestmark = needs_browser

Run: TypeAlias = Callable[..., Any]
"""Run the body of an async function in the page; its second argument is ``given`` in it."""

SETTINGS = {
    "model": "quality",
    "styles": ["munch-scream"],
    "pad": {"x": 0.5, "y": 0.5},
    "alpha": 1,
    "color": None,
    "coarse": 1,
    "styleSize": 512,
    "size": None,
}
"""As the page begins with them."""

STYLES = [
    "munch-scream",
    "van-gogh-irises",
    "klimt-kiss",
    "monet-waterlilies",
    "marc-girl-with-cat",
]

KNOWN = {"models": ["fast", "quality"], "styles": STYLES, "colors": ["luminance"]}


@pytest.fixture(scope="module")
def run(browser: Any) -> Iterator[Run]:
    """A page in which the modules of the state are imported."""
    with served({"/": PAGE}) as address:
        page = browser.new_page()
        page.goto(f"{address}/errors.js")  # any page of this origin

        def in_page(body: str, given: Any = None) -> Any:
            at = "const at = (name) => import(`/state/${name}.js`);"
            return page.evaluate(f"async (given) => {{ {at}\n{body} }}", given)

        yield in_page
        page.close()


# --- settings ------------------------------------------------------------------------------------


def test_defaults_are_those_of_the_command(run: Run) -> None:
    found = run("const { DEFAULTS, QUALITY } = await at('settings'); return [DEFAULTS, QUALITY];")
    defaults = {
        each.name: each.default
        for kind in (Controls, ReadOptions, SaveOptions, ModelOptions, StyleOptions)
        for each in fields(kind)
    }
    page, quality = found
    assert page["alpha"] == defaults["alpha"]
    assert page["color"] == defaults["color"]
    assert page["coarse"] == defaults["coarse"]
    assert page["size"] == defaults["size"]
    assert page["styleSize"] == defaults["style_size"]
    assert quality == defaults["quality"]
    assert page["model"] == inspect.signature(load).parameters["model"].default


@pytest.mark.parametrize("name", ["alpha", "coarse"])
def test_sliders_end_where_the_controls_do(run: Run, name: str) -> None:
    ends = run("return (await at('settings')).RANGES[given];", name)
    for end, beyond in ((ends["min"], -0.01), (ends["max"], 0.01)):
        assert Controls(**{name: end})
        with pytest.raises(OptionError):
            Controls(**{name: end + beyond})


# --- links ---------------------------------------------------------------------------------------


def any_settings(seed: int) -> dict[str, Any]:
    """Settings as a page can have them, with the numbers that sliders and the pad give."""
    choose = random.Random(seed)
    return {
        "model": choose.choice(KNOWN["models"]),
        "styles": choose.sample(STYLES, choose.randint(1, 4)),
        "pad": {"x": round(choose.random(), 3), "y": round(choose.random(), 3)},
        "alpha": choose.randint(0, 40) / 20,
        "color": choose.choice([None, "luminance"]),
        "coarse": choose.randint(4, 16) / 4,
        "styleSize": 64 * choose.randint(2, 16),
        "size": choose.choice([None, 720, 1080]),
    }


@pytest.mark.parametrize("seed", range(8))
def test_a_link_gives_the_settings_again(run: Run, seed: int) -> None:
    settings = any_settings(seed)
    link, read = run(
        """
        const { readLink, writeLink } = await at('link');
        const link = writeLink(given.settings, given.known.styles);
        return [link, readLink(link, given.start, given.known)];
        """,
        {"settings": settings, "start": SETTINGS, "known": KNOWN},
    )
    if len(settings["styles"]) == 1:  # no pad, no place on it
        settings["pad"] = SETTINGS["pad"]
    assert read == {"settings": settings, "problem": ""}
    assert link.isascii()
    assert " " not in link


def test_a_link_holds_only_what_was_turned_and_no_styles_of_the_user(run: Run) -> None:
    link = run(
        "return (await at('link')).writeLink(given, ['munch-scream']);",
        {**SETTINGS, "styles": ["own-1", "munch-scream"], "alpha": 0.8},
    )
    assert link == "#model=quality&style=munch-scream&alpha=0.8"


def test_what_a_page_does_not_know_falls_back_with_one_sentence(run: Run) -> None:
    hash = (
        "#model=huge&style=munch-scream,gone&alpha=7&color=luminance&coarse=x&pad=1&size=-3"
        "&beauty=1&style-size=%"
    )
    read = run(
        "return (await at('link')).readLink(given[0], given[1], given[2]);",
        [hash, SETTINGS, KNOWN],
    )
    assert read["settings"] == {**SETTINGS, "color": "luminance"}
    assert read["problem"] == (
        "The link has settings that this page does not know (model huge, style gone, alpha 7, …); "
        "all others are set."
    )


@pytest.mark.parametrize("hash", ["", "#", "#&&=", "#style=", "#%", "#style=%E0%A4%A"])
def test_a_broken_link_is_never_more_than_a_sentence(run: Run, hash: str) -> None:
    read = run(
        "return (await at('link')).readLink(given[0], given[1], given[2]);", [hash, SETTINGS, KNOWN]
    )
    assert read["settings"] == SETTINGS


# --- commands ------------------------------------------------------------------------------------

AWKWARD = [
    "street.jpg",
    "my holiday (1).jpg",
    "it's.jpg",
    '"$HOME" `ls` \\n.jpg',
    "-rf.jpg",
    "~.jpg",
    "été à Paris & *.png",
    "#1;true|cat.webp",
]


def parsed(line: str) -> dict[str, Any]:
    """What the command itself understands of a line that a shell has taken apart."""
    shown = subprocess.run(
        ["sh", "-c", f'impasto() {{ printf "%s\\0" "$@"; }}\n{line}'],
        capture_output=True,
        check=True,
        text=True,
    )
    assert shown.stderr == ""
    command, *words = shown.stdout.removesuffix("\0").split("\0")
    assert command == "stylize"
    assert ["impasto", command, *words] == shlex.split(line)
    return stylize.make_context("stylize", words).params


def line_of(run: Run, settings: dict[str, Any], **names: Any) -> str:
    given = {
        "photos": ["street.jpg"],
        "files": {},
        "masks": [],
        "out": "painted.png",
        "quality": None,
        **names,
    }
    found: str = run(
        """
        const { commandLine } = await at('command');
        const { files, ...names } = given.names;
        return commandLine(given.settings, { ...names, styleFile: (id) => files[id] ?? null });
        """,
        {"settings": settings, "names": given},
    )
    return found


def test_a_command_is_short_where_nothing_was_turned(run: Run) -> None:
    assert line_of(run, SETTINGS) == "impasto stylize street.jpg -s munch-scream -o painted.png"


@pytest.mark.parametrize("seed", range(8))
def test_the_command_understands_its_line(run: Run, seed: int) -> None:
    settings = any_settings(100 + seed)
    own = settings["styles"][0]
    photo, style, mask, out = random.Random(seed).sample(AWKWARD, 4)
    masks = [mask] * len(settings["styles"])
    found = parsed(
        line_of(run, settings, photos=[photo], files={own: style}, masks=masks, out=out, quality=80)
    )
    weights = run(
        "return (await import('/view/pad.js')).padWeights(given[0], given[1]);",
        [len(settings["styles"]), settings["pad"]],
    )

    def named(name: str) -> Path:
        return Path(name)  # ./-rf.jpg is -rf.jpg

    assert [named(each) for each in found["contents"]] == [named(photo)]
    assert [named(each) for each in found["style"]] == [
        named(style),
        *map(named, settings["styles"][1:]),
    ]
    assert [named(each) for each in found["masks"]] == [named(each) for each in masks]
    assert named(found["out"]) == named(out)
    assert (found["alpha"] if found["alpha"] is not None else 1) == settings["alpha"]
    assert found["color"] == settings["color"]
    assert (found["coarse"] or 1) == settings["coarse"]
    assert (found["style_size"] or 512) == settings["styleSize"]
    assert found["size"] == settings["size"]
    assert found["quality"] == 80
    assert (found["model"] or "quality") == settings["model"]
    if found["weights"] is None:
        assert np.ptp(weights) < 1e-3
    else:
        assert np.allclose(found["weights"], weights, atol=6e-4)
        Controls(weights=found["weights"]).check_count(len(weights))


def test_names_without_a_suffix_are_files_not_styles(run: Run) -> None:
    line = line_of(run, SETTINGS, files={"munch-scream": "wave"})
    assert parsed(line)["style"] == ("./wave",)


def test_the_size_of_styles_is_left_out_where_it_does_nothing(run: Run) -> None:
    turned = {**SETTINGS, "styleSize": 256}
    assert "--style-size" not in line_of(run, turned)
    assert "--style-size" not in line_of(run, turned, files={"munch-scream": "a.safetensors"})
    assert "--style-size 256" in line_of(run, turned, files={"munch-scream": "a.jpg"})


def test_the_line_paints_what_it_says(run: Run, tmp_path: Path) -> None:
    photo, mask, out = "it's me.png", "- a mask.png", "it's done.webp"
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / photo)
    half = np.zeros((48, 64), np.uint8)
    half[:, 32:] = 255
    Image.fromarray(half).save(tmp_path / mask)
    settings = {**SETTINGS, "model": "fast", "alpha": 0.8, "size": 32}
    line = line_of(run, settings, photos=[photo], masks=[mask], out=out, quality=90)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        done = CliRunner().invoke(stylize, shlex.split(line)[2:])
    assert done.exit_code == 0, done.output
    with Image.open(tmp_path / out) as painted:
        assert painted.size == (43, 32)
        assert painted.format == "WEBP"


@pytest.mark.parametrize(
    ("photo", "styles", "name"),
    [
        ("a.jpg", ["munch-scream"], "a-munch-scream.png"),
        ("my.trip.jpeg", ["wave.jpg", "rain.safetensors"], "my.trip-wave-rain.png"),
        (".hidden", ["w"], ".hidden-w.png"),
        ("noname", ["w"], "noname-w.png"),
    ],
)
def test_results_are_called_as_the_command_calls_them(
    run: Run, photo: str, styles: list[str], name: str
) -> None:
    assert run("return (await at('command')).resultName(given[0], given[1], '.png');",
               [photo, styles]) == name  # fmt: skip


# --- steps ---------------------------------------------------------------------------------------

STORE = """
const { Store } = await at('store');
const store = new Store(given);
const seen = [];
store.addEventListener('change', ({ detail }) =>
  seen.push([store.settings.alpha, detail.transient]));
let time = 0;
const set = (patch, transient = false) => store.set(patch, { transient, now: (time += 10_000) });
"""


def test_a_turn_of_a_slider_is_one_step(run: Run) -> None:
    alphas, seen = run(
        STORE
        + """
        set({ alpha: 0.9 }, true); set({ alpha: 0.5 }, true); set({ alpha: 0.5 });
        set({ alpha: 1.5 });
        const alphas = [store.settings.alpha];
        for (const step of ['undo', 'undo', 'undo', 'redo', 'redo', 'redo']) {
          store[step]();
          alphas.push(store.settings.alpha);
        }
        return [alphas, seen.slice(0, 4)];
        """,
        SETTINGS,
    )
    assert alphas == [1.5, 0.5, 1, 1, 0.5, 1.5, 1.5]
    assert seen == [[0.9, True], [0.5, True], [0.5, False], [1.5, False]]


def test_turning_back_is_no_step_and_a_new_step_ends_what_could_be_redone(run: Run) -> None:
    found = run(
        STORE
        + """
        set({ alpha: 0.3 }, true); set({ alpha: 1 });
        const back = store.canUndo;
        set({ alpha: 1 });
        const same = store.canUndo;
        set({ alpha: 0.5 }); store.undo();
        const redo = store.canRedo;
        set({ coarse: 2 });
        return [back, same, redo, store.canRedo];
        """,
        SETTINGS,
    )
    assert found == [False, False, True, False]


def test_held_keys_are_one_step(run: Run) -> None:
    found = run(
        """
        const { Store } = await at('store');
        const store = new Store(given);
        for (let i = 1; i <= 10; i++) store.set({ alpha: 1 + i / 20 }, { now: 50 * i });
        store.set({ coarse: 2 }, { now: 520 });
        store.undo(); const alpha = store.settings.alpha; store.undo();
        return [alpha, store.settings.alpha, store.canUndo];
        """,
        SETTINGS,
    )
    assert found == [1.5, 1, False]


def test_a_stroke_on_a_mask_is_a_step_and_its_version_comes_back(run: Run) -> None:
    found = run(
        """
        const { Store } = await at('store');
        const { MaskLayer } = await import('/view/mask_layer.js');
        const store = new Store(given);
        const layer = new MaskLayer(8, 8);
        const sum = () => { const mask = store.mask('p', 's');
          return mask && [store.version(mask), mask.toPlane().data.reduce((a, b) => a + b)]; };
        store.setMask('p', 's', layer);
        const states = [sum()];
        const before = layer.copy();
        layer.fill(1);
        store.maskPainted('p', 's', before);
        states.push(sum());
        for (const step of ['undo', 'redo', 'undo', 'undo']) { store[step](); states.push(sum()); }
        store.redo(); store.redo(); store.forget('p');
        return [states, sum(), (store.undo(), sum())];
        """,
        SETTINGS,
    )
    states, *forgotten = found
    empty, full = [1, 0], [2, 64]
    assert states == [empty, full, empty, full, empty, None]
    assert forgotten == [None, None]


# --- what is painted when ------------------------------------------------------------------------

PAINTINGS = """
const { Paintings } = await at('paintings');
const log = [];
const pending = [];
const painter = {
  paint(photo, look, { size, signal, watch }) {
    const job = { name: `${look} ${size ?? 'whole'}`, watch };
    log.push(job.name);
    pending.push(job);
    return new Promise((done, fail) => {
      job.done = async () => done({ bitmap: await createImageBitmap(new ImageData(4, 4)) });
      job.fail = (error) => fail(error);
      signal.addEventListener('abort', () => {
        log.push(`${job.name} aborted`);
        fail(new DOMException('', 'AbortError'));
      });
    });
  },
  forget: (photo) => log.push(`forget ${photo.id}`),
};
const paintings = new Paintings(painter);
for (const name of ['painted', 'problem']) {
  paintings.addEventListener(name, ({ detail }) =>
    log.push(name === 'painted' ? `shown ${detail.whole ? 'whole' : 'preview'}` : detail.message));
}
const photo = { id: 'p', width: 3000, height: 2000 };
const wish = (key, size = null) => ({ photo, key, size, look: () => key });
const soon = () => new Promise((done) => setTimeout(done, 20));
const rest = () => new Promise((done) => setTimeout(done, 450));
const finish = async () => { await pending.at(-1).done(); await soon(); };
"""


def painted(run: Run, body: str) -> list[str]:
    found: list[str] = run(f"{PAINTINGS}\n{body}\nreturn log;")
    return found


def test_a_small_preview_comes_at_once_and_the_whole_picture_after_a_rest(run: Run) -> None:
    assert painted(
        run,
        """
        paintings.paint(wish('a'), { transient: false });
        await finish(); log.push('rest'); await rest(); await finish();
        """,
    ) == ["a 384", "shown preview", "rest", "a whole", "shown whole"]


def test_while_a_slider_moves_the_newest_follows_the_one_in_flight(run: Run) -> None:
    assert painted(
        run,
        """
        for (const key of ['a', 'b', 'c']) paintings.paint(wish(key), { transient: true });
        await finish(); await finish();
        """,
    ) == ["a 384", "shown preview", "c 384", "shown preview"]


def test_another_choice_aborts_what_is_in_flight(run: Run) -> None:
    assert painted(
        run,
        """
        paintings.paint(wish('a'), { transient: false });
        paintings.paint(wish('b'), { transient: false });
        await finish(); await rest();
        paintings.paint(wish('c'), { transient: true });
        await finish();
        """,
    ) == [
        "a 384", "a 384 aborted", "b 384", "shown preview", "b whole",
        "b whole aborted", "c 384", "shown preview",
    ]  # fmt: skip


def test_what_was_painted_is_shown_again_without_painting(run: Run) -> None:
    assert painted(
        run,
        """
        paintings.paint(wish('a'), { transient: false });
        await finish(); await rest(); await finish();
        paintings.paint(wish('b'), { transient: false }); await finish();
        log.length = 0;
        paintings.paint(wish('a'), { transient: false });
        paintings.paint(wish('b'), { transient: false });
        await soon(); paintings.forget(photo); await rest();
        """,
    ) == ["shown whole", "shown preview", "forget p"]


def test_small_pictures_have_no_preview(run: Run) -> None:
    assert painted(
        run, "paintings.paint(wish('a', 400), { transient: false }); await finish();"
    ) == ["a 400", "shown whole"]


def test_cancelling_keeps_the_preview_until_one_goes_on(run: Run) -> None:
    assert painted(
        run,
        """
        paintings.paint(wish('a'), { transient: false }); await finish(); await rest();
        paintings.cancel(); await soon(); log.push('on'); paintings.resume(); await finish();
        """,
    ) == ["a 384", "shown preview", "a whole", "a whole aborted", "on", "a whole", "shown whole"]


def test_a_problem_is_told_once_for_what_is_still_wanted(run: Run) -> None:
    assert painted(
        run,
        """
        paintings.paint(wish('a', 300), { transient: false });
        pending.at(-1).fail(new Error('no memory')); await soon();
        """,
    ) == ["a 300", "no memory"]
