// Barcodes by camera, where the browser can read them. Everywhere else the number is typed.
// A button [data-scan="id"] puts what it reads into the field of that id and sends its form.

const FORMATS = ["ean_13", "ean_8", "upc_a", "upc_e"];
const BETWEEN_LOOKS = 150; // milliseconds

async function offerCamera() {
  if (!("BarcodeDetector" in window) || !navigator.mediaDevices?.getUserMedia) return;
  const known = await BarcodeDetector.getSupportedFormats();
  const formats = FORMATS.filter((format) => known.includes(format));
  if (!formats.length) return;
  document.querySelectorAll("[data-scan]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => scan(document.getElementById(button.dataset.scan), formats));
  });
}

async function scan(field, formats) {
  const dialog = document.getElementById("scanner");
  const video = dialog.querySelector("video");
  const said = dialog.querySelector("[data-scan-said]");
  said.textContent = "Hold the barcode of the box into the picture.";
  dialog.showModal();
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    video.srcObject = stream;
    await video.play();
    const code = await read(new BarcodeDetector({ formats }), video, dialog);
    if (code) {
      field.value = code;
      dialog.close();
      field.form.requestSubmit();
    }
  } catch {
    said.textContent = "The camera can't be used. Allow it in the browser, or type the number under the barcode.";
  } finally {
    stream?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  }
}

// Looks until a code is read or the dialog is closed.
async function read(detector, video, dialog) {
  while (dialog.open) {
    const [found] = await detector.detect(video);
    if (found) return found.rawValue;
    await new Promise((done) => setTimeout(done, BETWEEN_LOOKS));
  }
  return null;
}

offerCamera();
