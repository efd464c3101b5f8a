// What the frame adds where JavaScript runs. Every page and form works without this file.

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// htmx requests carry the CSRF token.
document.addEventListener("htmx:config:request", (event) => {
  const token = one('meta[name="csrf-token"]')?.content;
  if (token) event.detail.ctx.request.headers["X-CSRFToken"] = token;
});

// The server or the network is away: say so, keep what is on the page.
document.addEventListener("htmx:error", (event) => {
  if (event.detail?.ctx && !event.detail.ctx.response) {
    notice("danger", "The server can't be reached. Nothing was lost; try again in a moment.");
  }
});

// Answers may bring a message along: HX-Trigger {"toast": {"message": …, "kind": …}}.
document.addEventListener("toast", (event) => notice(event.detail.kind, event.detail.message));

function notice(kind, text) {
  const place = one("#notices");
  if (!place) return;
  const box = document.createElement("div");
  box.className = `notice notice-${kind}`;
  box.textContent = text;
  place.replaceChildren(box);
}

// Questions before what can't be taken back.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm || event.submitter?.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A form that was sent is not sent twice by a second click.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post" || event.target.hasAttribute("hx-post")) return;
  const button = event.submitter;
  // Only after the browser has collected the form's values, the button's own among them.
  setTimeout(() => button?.setAttribute("aria-disabled", "true"));
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  all("form[data-sent]").forEach((form) => delete form.dataset.sent);
  all("[aria-disabled=true]").forEach((button) => button.removeAttribute("aria-disabled"));
});

// Colours.
function showTheme() {
  const choice = document.documentElement.dataset.themeChoice;
  all(".theme-switch").forEach((group) => (group.hidden = false));
  all("[data-theme-choice]", one("body")).forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice)),
  );
}
document.addEventListener("theme-changed", showTheme);
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-theme-choice]");
  if (button) window.chooseTheme(button.dataset.themeChoice);
});
showTheme();

// Menus close when one clicks elsewhere or presses Escape.
document.addEventListener("click", (event) => {
  all("details[data-menu][open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  all("details[data-menu][open]").forEach((menu) => {
    menu.open = false;
    one("summary", menu)?.focus();
  });
});

// The sandbox's clock goes on at its speed.
all("time[data-clock-speed]").forEach((clock) => {
  const start = Date.parse(clock.dateTime);
  const speed = Number(clock.dataset.clockSpeed);
  const opened = Date.now();
  const format = new Intl.DateTimeFormat(document.documentElement.lang, {
    dateStyle: "medium",
    timeStyle: "short",
    timeZone: clock.dataset.clockZone,
  });
  const tick = () => (clock.textContent = format.format(start + (Date.now() - opened) * speed));
  tick();
  setInterval(tick, 1000);
});

// Selecting rows: the head's box, ranges with Shift, and the count in the bulk bar.
const boxes = (id) => all(`input[name="ids"][form="${CSS.escape(id)}"]:not(:disabled)`);
let lastBox = null;

function countSelected() {
  all("form[data-bulk]").forEach((form) => {
    const rows = boxes(form.id);
    const count = rows.filter((box) => box.checked).length;
    const label = one("[data-bulk-count]", form);
    label.dataset.hint ??= label.textContent;
    label.textContent = count
      ? `${count} ${count === 1 ? form.dataset.bulk : form.dataset.bulkPlural} selected`
      : label.dataset.hint;
    form.classList.toggle("bulk-active", count > 0);
    all("button", form).forEach((button) => (button.disabled = count === 0));
    rows.forEach((box) => box.closest("tr, li")?.classList.toggle("row-selected", box.checked));
    all(`input[data-select-all="${CSS.escape(form.id)}"]`).forEach((head) => {
      head.checked = count > 0 && count === rows.length;
      head.indeterminate = count > 0 && count < rows.length;
    });
  });
}
document.addEventListener("change", (event) => {
  const id = event.target.dataset?.selectAll;
  if (id) boxes(id).forEach((box) => (box.checked = event.target.checked));
  if (id || event.target.name === "ids") countSelected();
});
document.addEventListener("click", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement) || box.name !== "ids" || !box.form) return;
  const rows = boxes(box.form.id);
  if (event.shiftKey && rows.includes(lastBox)) {
    const [from, to] = [rows.indexOf(lastBox), rows.indexOf(box)].sort((a, b) => a - b);
    rows.slice(from, to + 1).forEach((row) => (row.checked = box.checked));
    countSelected();
  }
  lastBox = box;
});
document.addEventListener("htmx:after:swap", countSelected);
window.addEventListener("pageshow", countSelected);
countSelected();

// A table that is wider than its place can be scrolled with the keyboard, too.
function openScrollers() {
  all(".table-responsive").forEach((place) => {
    if (place.scrollWidth <= place.clientWidth || place.hasAttribute("tabindex")) return;
    place.tabIndex = 0;
    place.setAttribute("role", "region");
    place.setAttribute("aria-label", one("caption, h2", place.closest("section, .table-card") || place)?.textContent.trim() || "Table");
  });
}
document.addEventListener("htmx:after:swap", openScrollers);
document.addEventListener("toggle", openScrollers, true);
window.addEventListener("resize", openScrollers);
openScrollers();

// On a phone the tabs of a room scroll sideways: the present one is in view.
one(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
