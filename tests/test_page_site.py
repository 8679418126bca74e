"""The page as files: what it is made of, and the folder that `impasto page build` writes."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np
import pytest
from browser import PACKAGES, PAGE, ROOT, Answer, needs_browser, needs_packages, served
from PIL import Image

import impasto
from impasto.cli import cli
from impasto.errors import WebError
from impasto.models import Bundle, find_bundle
from impasto.styles.files import read_style
from impasto.stylizer import Stylizer
from impasto.web import packages, site
from impasto.web.build import PAGE_MODELS, BuildOptions, build_page


@pytest.fixture(scope="module")
def fast() -> Stylizer:
    return impasto.load("fast", engine="onnxruntime", precision="fp32", threads=1)


def test_files_of_the_page_are_there_and_types_are_not_served():
    files = site.page_files()
    assert {"errors.js", "base.css", "icon.svg", site.SAMPLE} <= set(files)
    assert all(path.is_file() for path in files.values())
    served = {path for path in PAGE.rglob("*") if path.is_file() and path.suffix != ".ts"}
    assert set(files.values()) > served


def test_page_of_a_server_knows_no_address_of_a_graph(fast: Stylizer):
    found = site.describe("server", [fast], limits=site.SiteLimits(bytes=100), token=True)
    (row,) = found["models"]
    assert row["identity"] == find_bundle("fast").identity
    assert [row[part] for part in ("card", "encoder", "decoder", "reader")] == [None] * 4
    assert found["runtime"] is None and found["limits"] == {"bytes": 100, "pixels": None}
    assert all(each["file"] is None for each in site.gallery(fast, "server"))


def test_gallery_has_the_style_files_and_titles(fast: Stylizer):
    rows = {row["name"]: row for row in site.gallery(fast, "device")}
    assert len(rows) == 82
    scream = rows["munch-scream"]
    assert scream["title"] == "The Scream"
    assert scream["thumbnail"] == "models/fast/styles/munch-scream.webp"
    assert read_style(base64.b64decode(scream["file"])) == fast.find("munch-scream")
    assert "public domain" not in " ".join(row["title"] for row in rows.values())


def test_own_styles_are_listed_on_request(fast: Stylizer, tmp_path, monkeypatch):
    from impasto.styles.library import VARIABLE, add_style

    monkeypatch.setenv(VARIABLE, str(tmp_path))
    wave = fast.style(ROOT / "examples/styles/wave.jpg")
    add_style(wave, "my-wave")
    assert "my-wave" not in {row["name"] for row in site.gallery(fast, "server")}
    first = site.gallery(fast, "server", own=True)[0]
    assert (first["name"], first["title"]) == ("my-wave", "My wave")


def test_thumbnail_is_the_middle_of_the_painted_sample(fast: Stylizer):
    style = fast.find("munch-scream")
    data = site.thumbnail(fast, style)
    assert len(data) < 12_000
    shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float32) / 255
    assert shown.shape == (160, 160, 3)
    # Painted by another way: the whole photograph by its file, then reduced and cut.
    whole = fast.stylize(PAGE / "sample.jpg", style, size=240)
    width, height = whole.size
    left, top = (width - 160) // 2, (height - 160) // 2
    wanted = np.asarray(whole.crop((left, top, left + 160, top + 160)), np.float32) / 255
    assert np.abs(shown - wanted).mean() < 0.03  # what WebP leaves


# --- the packages of others ------------------------------------------------------------------


def test_versions_and_sums_are_those_of_the_lock_file():
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    for package in (packages.RUNTIME, packages.WEBGPU, packages.FILMS):
        row = locked[f"node_modules/{package.name}"]
        assert (row["version"], row["integrity"]) == (
            package.version,
            f"sha512-{package.integrity}",
        )


def packed(folder: Path, content: bytes) -> packages.Package:
    """A package as npm packs it, which has one file."""
    with tarfile.open(folder / "pen-1.2.3.tgz", "w:gz") as archive:
        info = tarfile.TarInfo("package/dist/pen.mjs")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    digest = hashlib.sha512((folder / "pen-1.2.3.tgz").read_bytes()).digest()
    return packages.Package("pen", "1.2.3", base64.b64encode(digest).decode(), ("dist/pen.mjs",))


def test_packed_package_is_read_if_its_sum_is_right(tmp_path: Path):
    pen = packed(tmp_path, b"draw")
    assert packages.read_packages([pen], tmp_path) == {"pen.mjs": b"draw"}
    packed(tmp_path, b"steal")  # under the same name
    with pytest.raises(WebError, match=r"pen-1\.2\.3\.tgz: is damaged.*npm pack pen@1\.2\.3 again"):
        packages.read_packages([pen], tmp_path)


def test_installed_package_is_read_if_its_version_is_right(tmp_path: Path):
    pen = packages.Package("pen", "1.2.3", "", ("dist/pen.mjs",))
    place = tmp_path / "node_modules" / "pen"
    (place / "dist").mkdir(parents=True)
    (place / "dist" / "pen.mjs").write_text("draw")
    (place / "package.json").write_text('{"version": "1.2.3"}')
    for folder in (tmp_path, tmp_path / "node_modules"):
        assert packages.read_packages([pen], folder) == {"pen.mjs": b"draw"}
    (place / "package.json").write_text('{"version": "1.2.4"}')
    with pytest.raises(WebError, match=r"is pen 1\.2\.4, and the page needs 1\.2\.3: run npm pack"):
        packages.read_packages([pen], tmp_path)
    (place / "package.json").write_text("[]")
    with pytest.raises(WebError, match="cannot be read"):
        packages.read_packages([pen], tmp_path)


def test_other_version_of_a_packed_package_is_named(tmp_path: Path):
    (tmp_path / "mediabunny-1.0.0.tgz").write_bytes(b"")
    with pytest.raises(WebError, match=r"is mediabunny 1\.0\.0, and the page needs"):
        packages.read_packages([packages.FILMS], tmp_path)


# --- the folder ------------------------------------------------------------------------------


def build(out: Path, *arguments: object, packages: Path = PACKAGES) -> subprocess.CompletedProcess:
    """The command, as a user calls it."""
    command = [sys.executable, "-m", "impasto", "page", "build", out, "--packages", packages]
    return subprocess.run(
        [*map(str, command), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
        env={**os.environ, "IMPASTO_STYLES": str(out.parent / "no-styles")},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with the model that it begins with."""
    out = tmp_path_factory.mktemp("page") / "site"
    done = build(out, "--model", "fast")
    assert done.returncode == 0, done.stderr
    assert "of which the first visit loads" in done.stdout and len(done.stdout.splitlines()) == 1
    return out


def facts_of(folder: Path) -> dict[str, Any]:
    """The list that the worker begins with."""
    line = (folder / "sw.js").read_text().splitlines()[0]
    found: dict[str, Any] = json.loads(line.removeprefix("self.SITE = ").removesuffix(";"))
    return found


def test_help_names_the_models_of_the_page():
    from click.testing import CliRunner

    shown = CliRunner().invoke(cli, ["page", "build", "--help"]).output
    assert f"[default: {' and '.join(PAGE_MODELS)}]" in shown


def test_no_packages_gives_the_line_with_npm_pack(tmp_path: Path):
    done = build(tmp_path / "site", "--model", "fast", packages=tmp_path)
    assert done.returncode == 2
    wanted = "npm pack onnxruntime-web@1.30.0 mediabunny@1.61.0"
    assert wanted in done.stderr and len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages whose files are next to nothing, for tests of the folder alone."""
    root = tmp_path_factory.mktemp("few")
    for package in (packages.RUNTIME, packages.FILMS):
        for name in package.files:
            path = root / package.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        facts = root / package.name / "package.json"
        facts.write_text(json.dumps({"version": package.version}))
    return root


def test_foreign_folder_is_left_alone(tmp_path: Path, few: Path, tiny_bundle: Bundle):
    out, options = tmp_path / "site", BuildOptions(packages=few)
    out.mkdir()
    built = build_page(out, [tiny_bundle], options)  # an empty one will do
    assert built.files == len(facts_of(out)["files"]) + 1
    other = tmp_path / "photos"
    other.mkdir()
    (other / "sw.js").write_text("self.SITE = 1;")
    for taken, says in [
        (other, "has 1 file and is not a page built by Impasto"),
        (other / "sw.js", "is a file"),
        (tmp_path / "gone" / "site", "there is no folder"),
    ]:
        with pytest.raises(WebError, match=says):
            build_page(taken, [tiny_bundle], options)
    assert sorted(path.name for path in other.iterdir()) == ["sw.js"]


def test_earlier_page_is_replaced_and_foreign_files_in_it_stay(
    tmp_path: Path, few: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "site"
    with_films = build_page(out, [tiny_bundle], BuildOptions(packages=few))
    (out / "CNAME").write_text("paint.example")
    (out / ".git").mkdir()
    (out / ".git" / "HEAD").write_text("ref")
    without = build_page(out, [tiny_bundle], BuildOptions(packages=few, films=False))
    assert without.files == with_films.files - 1
    assert not (out / "runtime" / "mediabunny.min.mjs").exists()
    assert (out / "CNAME").read_text() == "paint.example"
    assert (out / ".git" / "HEAD").read_text() == "ref"
    assert without.version != with_films.version
    assert json.loads((out / "site.json").read_text())["version"] == without.version
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    # Files that are the same are the same version.
    assert build_page(out, [tiny_bundle], BuildOptions(packages=few)).version == with_films.version

    (out / "runtime" / "mine.txt").write_text("a file that the next page happens to have")
    monkeypatch.setattr(
        "impasto.web.build.page_files",
        lambda: {**site.page_files(), "runtime/mine.txt": PAGE / "sample.jpg"},
    )
    with pytest.raises(WebError, match=r"mine\.txt: is not part of the page.*move yours"):
        build_page(out, [tiny_bundle], BuildOptions(packages=few))
    assert facts_of(out)["version"] == with_films.version


def test_first_visit_loads_the_decoder_in_int8(tmp_path: Path, few: Path, tiny_bundle: Bundle):
    card = replace(tiny_bundle.card, int8="by hand")
    small = replace(tiny_bundle, card=card, decoder_int8=b"small")
    build_page(tmp_path / "site", [small], BuildOptions(packages=few))
    facts, folder = facts_of(tmp_path / "site"), tmp_path / "site" / "models" / "tiny"
    assert (folder / "decoder.int8.onnx").read_bytes() == b"small"
    assert (folder / "decoder.onnx").read_bytes() == tiny_bundle.decoder  # for graphics cards
    graphs = {Path(name).name for name in facts["first"] if name.endswith(".onnx")}
    assert graphs == {"encoder.onnx", "decoder.int8.onnx"}


def test_page_that_cannot_be_written_whole_leaves_the_old_one(
    tmp_path: Path, few: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "site"
    before = build_page(out, [tiny_bundle], BuildOptions(packages=few))

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("impasto.web.build._copy", full)
    with pytest.raises(WebError, match=r"site: cannot be written \(No space left on device\)"):
        build_page(out, [tiny_bundle], BuildOptions(packages=few, films=False))
    assert facts_of(out)["version"] == before.version
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_models_that_cannot_be_in_a_browser_are_refused(tmp_path: Path, tiny_bundle: Bundle):
    from dataclasses import replace

    named = replace(tiny_bundle, card=replace(tiny_bundle.card, name="../tiny"))
    for models, says in [
        ([], "needs a model"),
        ([tiny_bundle, tiny_bundle], "2 models are called 'tiny'"),
        ([named], "its name becomes a folder name"),
    ]:
        with pytest.raises(WebError, match=says):
            build_page(tmp_path / "site", models)


@needs_packages
def test_all_addresses_of_the_folder_are_there(folder: Path):
    facts = facts_of(folder)
    for address, (digest, size) in facts["files"].items():
        data = (folder / address).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (digest, size)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {*facts["files"], "sw.js"}
    found = json.loads((folder / "site.json").read_text())
    named = [found["runtime"]["wasm"], found["films"], found["sample"]]
    for model in found["models"]:
        named += [model[part] for part in ("card", "encoder", "decoder", "reader", "styles")]
        styles = json.loads((folder / model["styles"]).read_text())
        assert len(styles) == 82
        named += [style["thumbnail"] for style in styles]
    manifest = json.loads((folder / "manifest.webmanifest").read_text())
    named += [icon["src"] for icon in manifest["icons"]]
    assert set(named) <= there and found["version"] == facts["version"]
    assert set(facts["first"]) <= there
    modules = {path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*.js")} - {"sw.js"}
    assert modules <= set(facts["first"]), "all of them, also those that a first visit asks not for"
    bundle = find_bundle("fast")
    assert (folder / "models/fast/encoder.onnx").read_bytes() == bundle.encoder
    for icon in manifest["icons"][1:]:
        with Image.open(folder / icon["src"]) as picture:
            assert f"{picture.width}x{picture.height}" == icon["sizes"]


# --- in a browser ----------------------------------------------------------------------------


def packed_bytes(folder: Path, answers: list[Answer], at: str = "/") -> int:
    """Bytes that the answers would have as gzip, each as often as it was sent."""
    total = 0
    for each in answers:
        if each.status == 200:
            path = folder / (each.path.removeprefix(at) or "index.html")
            total += len(gzip.compress(path.read_bytes(), 6))
    return total


class Visitor:
    """A browser of its own, in which nothing is kept at first."""

    def __init__(self, browser: Any) -> None:
        self.context = browser.new_context()
        self.asked: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))

    def open(self, address: str) -> Any:
        """Open the page, and wait until it is isolated and has loaded again for it."""
        page = self.context.new_page()
        page.goto(address)
        self.until(page, "crossOriginIsolated && document.readyState === 'complete'")
        return page

    def until(self, page: Any, condition: str) -> None:
        """Wait until a condition holds in the page, which may load itself again meanwhile."""
        end = time.monotonic() + 40
        while time.monotonic() < end:
            with contextlib.suppress(Exception):  # it is loading
                if page.evaluate(condition):
                    return
            time.sleep(0.05)
        raise AssertionError(f"did not come true in the page: {condition}")

    def kept(self, page: Any) -> dict[str, list[str]]:
        """Addresses that the browser keeps, by the names of its caches."""
        found: dict[str, list[str]] = page.evaluate(
            """async () => {
              const found = {};
              for (const name of await caches.keys()) {
                const kept = await (await caches.open(name)).keys();
                found[name] = kept.map((each) => each.url);
              }
              return found;
            }"""
        )
        return found

    def until_kept(self, page: Any, folder: Path, address: str) -> None:
        """Wait until all is kept that a first visit needs."""
        facts = facts_of(folder)
        wanted = {urljoin(address, each) for each in facts["first"] if each != "index.html"}
        end = time.monotonic() + 40
        while time.monotonic() < end:
            kept = self.kept(page)
            if len(kept) == 1 and wanted | {address} <= set(next(iter(kept.values()))):
                assert facts["version"] in next(iter(kept))
                return
            time.sleep(0.05)
        raise AssertionError(f"not kept: {wanted - set(*self.kept(page).values())}")


@pytest.fixture
def visitor(browser: Any) -> Iterator[Visitor]:
    found = Visitor(browser)
    yield found
    found.context.close()


def refused(page: Any, address: str) -> str:
    """The directive of the page's policy that refuses an address."""
    found: str = page.evaluate(
        """async (address) => {
          const told = new Promise((done) =>
            addEventListener("securitypolicyviolation", (event) => done(event.violatedDirective)));
          await fetch(address).catch(() => undefined);
          return Promise.race([told, new Promise((done) => setTimeout(done, 2000, "nothing"))]);
        }""",
        address,
    )
    return found


@needs_browser
@needs_packages
def test_first_visit_is_small_and_the_second_loads_nothing(folder: Path, visitor: Visitor):
    """In a folder of a plain server, without a byte from elsewhere."""
    answers: list[Answer] = []
    with served({"/paint/": folder}, answers=answers) as origin:
        address = f"{origin}/paint/"
        page = visitor.open(address)
        visitor.until_kept(page, folder, address)
        page.wait_for_load_state("networkidle")
        assert {each.path for each in answers if each.status not in (200, 304)} == set()
        first = packed_bytes(folder, answers, "/paint/")
        assert first <= 5_500_000
        graphs = {each.path for each in answers if each.path.endswith((".wasm", ".onnx"))}
        assert len(graphs) == 3 and not any("reader" in path for path in graphs)
        for path in graphs:
            assert [each.path for each in answers].count(path) == 1, "fetched once"

        # With a style of the visitor's own the reader comes too, once.
        for _ in range(2):
            page.evaluate("fetch('models/fast/reader.onnx').then((answer) => answer.blob())")
        with_reader = packed_bytes(folder, answers, "/paint/")
        assert first + 6_000_000 < with_reader <= 12_500_000
        page.close()

        answers.clear()
        page = visitor.open(address)
        page.wait_for_load_state("networkidle")
        page.evaluate("fetch('models/fast/reader.onnx').then((answer) => answer.blob())")
        time.sleep(0.5)
        assert sum(each.bytes for each in answers if each.status == 200) == 0
        assert {each.path for each in answers} <= {"/paint/sw.js"}  # is there a new version?
        assert page.evaluate("performance.navigation.type") == 0, "loaded once"
        # The first load, before the worker, has the policy in the page itself.
        meta = "document.querySelector('meta[http-equiv=Content-Security-Policy]').content"
        assert page.evaluate(meta) in site.POLICY
    assert {url for url in visitor.asked if not url.startswith(address)} == set()


PAINT = """async ([style, picture]) => {
  const { openPainter } = await import("./painters/open.js");
  const painter = await openPainter();
  const file = new Blob([Uint8Array.from(atob(picture), (sign) => sign.charCodeAt(0))]);
  const shown = await createImageBitmap(file);
  const photo = { id: "1", name: "sample.png", file, width: shown.width, height: shown.height };
  const look = {
    model: painter.site.models[0].name, styles: [style], weights: [1], masks: [],
    alpha: 1, color: null, coarse: 1, styleSize: 512,
  };
  const { bitmap } = await painter.paint(photo, look, { size: null });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const pen = canvas.getContext("2d");
  pen.drawImage(bitmap, 0, 0);
  const { data } = pen.getImageData(0, 0, bitmap.width, bitmap.height);
  return [bitmap.width, bitmap.height, [...data]];
}"""


@needs_browser
@needs_packages
def test_page_opens_and_paints_offline_with_the_server_gone(folder: Path, visitor: Visitor):
    fast = impasto.load("fast", engine="onnxruntime", precision="int8", threads=1)
    with served({"/": folder}) as origin:
        page = visitor.open(f"{origin}/")
        visitor.until_kept(page, folder, f"{origin}/")
        title = page.title()
        page.close()
    visitor.context.set_offline(True)
    page = visitor.open(f"{origin}/#alpha=0.5")
    assert page.title() == title
    assert "connect-src" in refused(page, "https://example.org/")
    photograph = Image.open(PAGE / "sample.jpg").resize((192, 128))
    file = io.BytesIO()
    photograph.save(file, "PNG")  # JPEG is decoded in different ways
    given = base64.b64encode(file.getvalue()).decode()
    width, height, data = page.evaluate(PAINT, ["munch-scream", given])
    painted = np.array(data, np.float32).reshape(height, width, 4)[..., :3]
    wanted = np.asarray(fast.stylize(photograph, "munch-scream"), np.float32)
    assert painted.shape == wanted.shape
    assert np.abs(painted - wanted).max() <= 2  # of 255


@pytest.fixture
def small(
    tmp_path: Path, few: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Builds a page of a few files into one folder, as often as it is called.

    Its worker and what puts that in its place are those of the page.
    """
    index = tmp_path / "index.html"
    script = '<script type="module" src="isolation.js"></script>'
    index.write_text(f"<!doctype html><head><title>small</title>{script}</head><body>")
    files = {name: path for name, path in site.page_files().items() if "/" not in name}
    del files["main.js"]
    monkeypatch.setattr("impasto.web.build.page_files", lambda: {**files, "index.html": index})

    def made(**options: Any) -> Path:
        return build_page(
            tmp_path / "site", [tiny_bundle], BuildOptions(packages=few, **options)
        ).folder

    return made


@needs_browser
def test_new_version_replaces_what_was_kept(visitor: Visitor, small: Callable[..., Path]):
    folder = small()
    before = facts_of(folder)
    answers: list[Answer] = []
    with served({"/": folder}, answers=answers) as origin:
        address = f"{origin}/"
        page = visitor.open(address)
        visitor.until_kept(page, folder, address)
        page.evaluate("fetch('runtime/mediabunny.min.mjs').then((answer) => answer.text())")
        assert page.evaluate("fetch('site.json').then((answer) => answer.json())")["films"]
        page.close()

        small(films=False)
        assert facts_of(folder)["version"] != before["version"]
        answers.clear()
        page = visitor.open(address)  # the old one, while the new one is fetched
        waits = "navigator.serviceWorker.ready.then((found) => found.waiting !== null)"
        alone = "caches.keys().then((names) => names.length === 1)"  # or it is in its place
        come = f"caches.has('impasto-page {address} {facts_of(folder)['version']}')"
        visitor.until(page, f"(async () => await {come} && (await {waits} || await {alone}))()")
        page.close()
        page = visitor.open(address)
        visitor.until_kept(page, folder, address)
        assert page.evaluate("fetch('site.json').then((answer) => answer.json())")["films"] is None
        fetched = {each.path for each in answers if each.status == 200}
        assert fetched == {"/sw.js", "/site.json"}, "what is the same is not fetched again"
        kept = next(iter(visitor.kept(page).values()))
        assert f"{address}runtime/mediabunny.min.mjs" not in kept


@needs_browser
def test_version_that_is_not_whole_replaces_nothing(visitor: Visitor, small: Callable[..., Path]):
    folder = small()
    before = facts_of(folder)
    with served({"/": folder}) as origin:
        address = f"{origin}/"
        page = visitor.open(address)
        visitor.until_kept(page, folder, address)
        small(films=False)
        site_json = folder / "site.json"
        site_json.write_bytes(site_json.read_bytes().replace(b"tiny", b"tony"))  # half uploaded
        failed = """navigator.serviceWorker.ready.then(async (found) => {
          await found.update();
          const coming = found.installing;
          if (coming === null) return "none";
          return new Promise((done) => coming.onstatechange = () => done(coming.state));
        })"""
        assert page.evaluate(failed) == "redundant"
        page.close()
        page = visitor.open(address)
        shown = page.evaluate("fetch('site.json').then((answer) => answer.json())")
        assert shown["version"] == before["version"]
        assert shown["models"][0]["name"] == "tiny"


@needs_browser
def test_page_loads_itself_again_once_and_never_under_the_hands(
    visitor: Visitor, small: Callable[..., Path]
):
    folder = small()
    # A worker that isolates nothing.
    (folder / "sw.js").write_text("addEventListener('install', () => skipWaiting());")
    loads = "performance.getEntriesByType('navigation')[0].type"
    with served({"/": folder}) as origin:
        page = visitor.context.new_page()
        page.goto(f"{origin}/")
        visitor.until(page, f"{loads} === 'reload' && document.readyState === 'complete'")
        asked = len([url for url in visitor.asked if url == f"{origin}/"])
        time.sleep(1)
        assert asked == len([url for url in visitor.asked if url == f"{origin}/"]) == 2
        assert page.evaluate("crossOriginIsolated") is False
        page.close()

        page = visitor.context.new_page()  # another tab
        held: list[Any] = []
        page.route("**/site.json", lambda route: held.append(route))
        page.goto(f"{origin}/", wait_until="commit")
        while not held:
            page.wait_for_timeout(20)
        page.keyboard.press("Tab")
        held[0].continue_()
        page.wait_for_timeout(1000)
        assert page.evaluate(loads) == "navigate"


@needs_browser
def test_server_at_the_same_address_removes_worker_and_what_it_kept(
    visitor: Visitor, small: Callable[..., Path], tmp_path: Path, tiny_bundle: Bundle
):
    folder = small()
    with served({"/": folder}) as origin:
        page = visitor.open(f"{origin}/")
        visitor.until_kept(page, folder, f"{origin}/")
        # As `impasto serve` gives the page: its worker as it is, and another site.json.
        (folder / "sw.js").write_bytes(site.page_files()["sw.js"].read_bytes())
        of_server = site.describe("server", [tiny_bundle])
        (folder / "site.json").write_text(json.dumps(of_server))
        page.close()
        page = visitor.context.new_page()
        page.goto(f"{origin}/")
        visitor.until(page, "caches.keys().then((names) => names.length === 0)")
        gone = "navigator.serviceWorker.getRegistrations().then((found) => found.length === 0)"
        visitor.until(page, gone)
        home = "fetch('site.json').then((answer) => answer.json()).then((found) => found.home)"
        visitor.until(page, f"{home}.then((home) => home === 'server')")
        page.reload()
        time.sleep(0.5)
        visitor.until(page, gone)
