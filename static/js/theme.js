// Sets the colours before the first paint: the operator's choice, else the system's.
(() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const read = () => {
    try {
      return localStorage.getItem("theme") || "system";
    } catch {
      return "system";
    }
  };
  const apply = () => {
    const choice = read();
    const dark = choice === "dark" || (choice === "system" && system.matches);
    document.documentElement.setAttribute("data-bs-theme", dark ? "dark" : "light");
    document.documentElement.dataset.themeChoice = choice;
    document.dispatchEvent(new CustomEvent("theme-changed"));
  };
  apply();
  system.addEventListener("change", apply);
  window.addEventListener("storage", (event) => event.key === "theme" && apply());
  window.chooseTheme = (choice) => {
    try {
      localStorage.setItem("theme", choice);
    } catch {
      // Without storage the choice holds until the page is left.
    }
    apply();
  };
})();
