"""A barcode read by the camera, where the browser can; typed otherwise."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import PHONE

pytestmark = pytest.mark.e2e

# Chromium has no reader of barcodes on Linux and no camera here: the browser's own two interfaces are put in its place.
CAMERA = """
window.BarcodeDetector = class {
  static async getSupportedFormats() { return ["qr_code", "ean_13"]; }
  constructor({ formats }) { if (formats.join() !== "ean_13") throw new Error("formats"); this.looks = 0; }
  async detect() { this.looks += 1; return this.looks < 3 ? [] : [{ rawValue: "4066748000017" }]; }
};
const canvas = document.createElement("canvas");
Object.defineProperty(navigator, "mediaDevices", { value: { getUserMedia: async () => {
  if (window.cameraIsRefused) throw new DOMException("no", "NotAllowedError");
  canvas.getContext("2d").fillRect(0, 0, 9, 9);
  const stream = canvas.captureStream(10);
  const [track] = stream.getTracks();
  const stop = track.stop.bind(track);
  document.body.dataset.camera = track.readyState;
  track.stop = () => { stop(); document.body.dataset.camera = track.readyState; };
  return stream;
} } });
"""


def test_a_code_is_read_into_the_search(house, visit):
    visitor = visit(house.address, PHONE)
    visitor.page.add_init_script(CAMERA)
    visitor.sign_in()
    visitor.page.get_by_role("button", name="Read a barcode").click()
    visitor.page.wait_for_url("**/search?q=4066748000017")
    visitor.go("/inventory/new")
    visitor.page.locator("main").get_by_role("button", name="Read a barcode").click()
    visitor.page.wait_for_url("**/inventory/new?q=4066748000017")
    assert visitor.complaints == []


def test_a_refused_camera_is_said_and_typing_goes_on(house, visit):
    visitor = visit(house.address, PHONE)
    visitor.page.add_init_script(CAMERA + "window.cameraIsRefused = true;")
    visitor.sign_in()
    visitor.page.get_by_role("button", name="Read a barcode").click()
    expect(visitor.page.get_by_text("The camera can't be used.")).to_be_visible()
    visitor.page.get_by_role("button", name="Close").click()
    visitor.page.get_by_label("Search products").fill("samba")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url("**/search?q=samba")


def test_a_camera_that_was_opened_is_shut_with_the_dialog(house, visit):
    visitor = visit(house.address, PHONE)
    visitor.page.add_init_script(CAMERA.replace("this.looks < 3", "true"))
    visitor.sign_in()
    visitor.page.get_by_role("button", name="Read a barcode").click()
    visitor.page.locator("body[data-camera=live]").wait_for()
    visitor.page.get_by_role("button", name="Close").click()
    visitor.page.locator("body[data-camera=ended]").wait_for()


def test_without_a_reader_there_is_no_button(house, visit):
    visitor = visit(house.address)
    visitor.sign_in()
    expect(visitor.page.get_by_role("button", name="Read a barcode")).to_have_count(0)
