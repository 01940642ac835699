// Runs before the first paint, so that a chosen theme does not flash. No module: modules run later.
(() => {
  try {
    const theme = localStorage.getItem("twistedgw.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // No storage: the system's preference holds.
  }
})();
