// Before anything is painted: the chosen theme, and whether the log-in or the figures come first.
(() => {
  const root = document.documentElement;
  try {
    const theme = localStorage.getItem("feedback-theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    root.dataset.open = sessionStorage.getItem("feedback-key") ? "figures" : "log-in";
  } catch {
    root.dataset.open = "log-in"; // A browser that keeps nothing: the key lives as long as the page.
  }
})();
