// The keyboard: rows, selection, search, and the command palette. Nothing here is the only way to anything.

(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const palette = one("#palette");
  const shortcuts = one("#shortcuts");
  if (!palette || !shortcuts) return;
  const input = one("#palette-input");

  all("[data-opens]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => one(`#${button.dataset.opens}`).showModal());
  });

  // Rows of the page's first table.
  const rows = () => all("main table tbody tr").filter((row) => one("a, input", row) && row.offsetParent);
  const current = () => one("main tr.row-current");

  function step(by) {
    const list = rows();
    if (!list.length) return;
    const at = list.indexOf(current());
    const next = list[Math.min(list.length - 1, Math.max(0, at + by))];
    current()?.classList.remove("row-current");
    next.classList.add("row-current");
    next.scrollIntoView({ block: "nearest" });
    (one("a", next) || one("input", next)).focus({ preventScroll: true });
  }

  function toggle() {
    one('input[type="checkbox"]:not(:disabled)', current() || document.createElement("tr"))?.click();
  }

  const keys = {
    "/": () => {
      one("#search")?.focus();
      one("#search")?.select();
    },
    "?": () => shortcuts.showModal(),
    j: () => step(1),
    k: () => step(-1),
    x: toggle,
  };

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    if (one("dialog[open]") || event.target.closest("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio])")) return;
    event.preventDefault();
    keys[event.key]();
  });

  // The palette: rooms are filtered here, everything else comes from the search.
  const options = () => all('[role="option"]', palette).filter((option) => !option.closest("li").hidden);

  function mark(option) {
    all('[aria-selected="true"]', palette).forEach((old) => old.removeAttribute("aria-selected"));
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function openPalette() {
    if (palette.open) return;
    shortcuts.close();
    palette.showModal();
    input.select();
    filterRooms();
  }

  function filterRooms() {
    const text = input.value.trim().toLowerCase();
    all("#palette-rooms li").forEach((room) => (room.hidden = !room.textContent.toLowerCase().includes(text)));
    mark(options()[0]);
  }

  input.addEventListener("input", filterRooms);
  palette.addEventListener("htmx:after:swap", () => mark(options()[0]));
  input.addEventListener("keydown", (event) => {
    const list = options();
    const at = list.indexOf(one('[aria-selected="true"]', palette));
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move && list.length) {
      event.preventDefault();
      mark(list[(at + move + list.length) % list.length]);
    } else if (event.key === "Escape") {
      event.preventDefault(); // else the first one would only empty the field
      palette.close();
    } else if (event.key === "Enter" && list[at]) {
      event.preventDefault();
      list[at].click();
    }
  });
  [palette, shortcuts].forEach((dialog) =>
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()),
  );
})();
