"""A world from any feed: what is read, what is passed over, and whether the market makes sense."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from soleflip.sandbox import SeedReport, seed_world
from soleflip.sandbox import feed as feeds
from soleflip.sandbox.__main__ import main
from soleflip.sandbox.catalog import by_gtin, is_gtin
from soleflip.sandbox.sizes import name, parse_eu, usual
from soleflip.sandbox.world import World
from tests.sandbox.conftest import FEED

REAL = "data/awin-feed-sizeofficial-de.csv.gz"


def rows(text: str) -> list[feeds.FeedRow]:
    return list(feeds.read(text.encode(), "EUR"))


def test_seeding_is_repeatable_and_adds_what_is_missing(tmp_path: Path) -> None:
    feed, world = tmp_path / "feed.csv", tmp_path / "world.sqlite"
    feed.write_text(FEED, "utf-8")
    first = seed_world(feed, world)
    assert (first.products, first.variants, first.new_products) == (3, 4, 3)
    assert seed_world(feed, world) == SeedReport(3, 4, 0, 0)
    feed.write_text(FEED + "Alpha Runner,Nike,4006381333986,49.5,120,EUR,| AB1234-100,Men's Footwear\n", "utf-8")
    assert seed_world(feed, world) == SeedReport(3, 5, 0, 1)


def test_the_same_seed_makes_the_same_world(tmp_path: Path) -> None:
    feed = tmp_path / "feed.csv"
    feed.write_text(FEED, "utf-8")
    worlds = []
    for name_, seed in (("a", 1), ("b", 1), ("c", 2)):
        seed_world(feed, tmp_path / name_, seed=seed)
        world = World(tmp_path / name_)
        worlds.append({variant.variant_id: variant.level for variant in world.variants.values()})
        world.store.close()
    assert worlds[0] == worlds[1] != worlds[2]


def test_a_feed_is_read_in_many_shapes() -> None:
    plain = rows(FEED)
    assert [row.style for row in plain] == ["AB1234-100", "AB1234-100", "GX9876", "1203A544-101"]
    assert plain[2].price == 1090.5
    assert plain[2].gender == "women"
    assert rows("\ufeff" + FEED) == plain
    semicolons = "\n".join(line.replace('"1.090,50"', "1090.50").replace(",", ";") for line in FEED.splitlines())
    assert rows(semicolons) == plain
    assert list(feeds.read(gzip.compress(FEED.encode()), "EUR")) == plain
    latin = FEED.replace("Noch ein", "Schöner").encode("cp1252")
    assert list(feeds.read(latin, "EUR")) == plain


def test_a_truncated_archive_tells_what_came_before_the_break() -> None:
    lines = FEED.splitlines()
    text = "\n".join([lines[0], *(lines[1].replace("AB1234", f"AB{n}") for n in range(1000, 4000))])
    packed = gzip.compress(text.encode())
    assert 0 < len(list(feeds.read(packed[: len(packed) // 2], "EUR"))) < 3000
    assert list(feeds.read(packed[:5], "EUR")) == []


@pytest.mark.parametrize(
    "row",
    [
        ",Nike,4006381333931,42,100,EUR,| AB1234-100,",
        "Shoe,Nike,4006381333931,one size,100,EUR,| AB1234-100,",
        "Shoe,Nike,4006381333931,42,0,EUR,| AB1234-100,",
        "Shoe,Nike,4006381333931,42,-5,EUR,| AB1234-100,",
        "Shoe,Nike,4006381333931,42,,EUR,| AB1234-100,",
        "Shoe,Nike,4006381333931,42,100,XXX,| AB1234-100,",
        "Shoe",
    ],
)
def test_rows_that_are_no_offer_of_a_shoe_are_passed_over(row: str) -> None:
    assert rows(FEED.splitlines()[0] + "\n" + row) == []


def test_what_is_no_feed_is_no_product() -> None:
    for data in (b"", b"\x00\x01\x02", b"<html></html>", b"a,b\n1,2\n"):
        assert list(feeds.read(data, "EUR")) == []


def test_a_wrong_barcode_costs_the_barcode_only() -> None:
    (row,) = rows(FEED.splitlines()[0] + "\nShoe,Nike,4006381333930,42,100,EUR,| AB1234-100,")
    assert row.gtin is None


@pytest.mark.parametrize(
    ("text", "eu"),
    [
        ("42", "42"),
        ("42.5", "42.5"),
        ("42,5", "42.5"),
        ("EU 42", "42"),
        ("42.0", "42"),
        ("42 2/3", "42 2/3"),
        ("42⅔", "42 2/3"),
        ("US 9", "42.5"),
        ("UK 8", "42.5"),
        ("M", None),
        ("420", None),
        ("", None),
    ],
)
def test_sizes_are_understood(text: str, eu: str | None) -> None:
    assert parse_eu(text, "Nike") == eu


@pytest.mark.parametrize("brand", ["Nike", "adidas", "ASICS", "New Balance", "Unknown"])
@pytest.mark.parametrize("gender", ["men", "women"])
def test_every_usual_size_has_a_name_of_its_own(brand: str, gender: str) -> None:
    names = [name(eu, brand, gender) for eu in usual(brand, gender)]
    assert len(set(names)) == len(names) >= 10


def test_the_market_makes_a_good_third_profitable_and_many_clear_losers(shared: Path, tmp_path: Path) -> None:
    seed_world(shared / REAL, tmp_path / "world.sqlite")
    world = World(tmp_path / "world.sqlite")
    offers = list(feeds.read_file(shared / REAL, "EUR"))
    profits = []
    for row in offers:
        variant = by_gtin(world, row.gtin or "")
        assert variant is not None
        assert ["eu", f"EU {row.eu_size}"] in variant.sizes
        assert world.products[variant.product_id].style_id == row.style
        ask = world.book(variant.variant_id).lowest()
        assert ask is not None
        profits.append((ask - max(0.09 * ask, 5) - 0.03 * ask - 4.5 - row.price) / row.price)
    world.store.close()
    assert len(offers) == 569
    assert 0.25 < sum(profit > 0 for profit in profits) / len(profits) < 0.42
    assert sum(profit < -0.1 for profit in profits) / len(profits) > 0.2


def test_every_barcode_of_a_world_is_a_right_one(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text(FEED, "utf-8")
    seed_world(tmp_path / "feed.csv", tmp_path / "world.sqlite")
    world = World(tmp_path / "world.sqlite")
    assert all(variant.gtins and all(is_gtin(gtin) for gtin, _ in variant.gtins) for variant in world.variants.values())
    world.store.close()


def test_a_file_that_is_no_feed_is_told_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.md").write_text("# No feed\n", "utf-8")
    assert main(["--database", str(tmp_path / "world.sqlite"), "seed", str(tmp_path / "notes.md")]) == 1
    assert "No row of the feed is usable" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [("--speed", "0"), ("--speed", "nan"), ("--speed", "inf"), ("--port", "70000"), ("--jitter-ms", "-1")]
)
def test_a_number_out_of_bounds_is_refused_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--database", str(tmp_path / "world.sqlite"), "run", *wrong])
    assert f"{wrong[1]} does not lie between" in capsys.readouterr().err
