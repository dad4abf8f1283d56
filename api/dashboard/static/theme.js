// Light or dark: as the system says, unless somebody chose. Runs before the first paint, so that nothing flashes.
{
  const KEY = "tidings-theme";
  const CHOICES = ["system", "light", "dark"];
  const root = document.documentElement;
  const stored = localStorage.getItem(KEY);
  const apply = (choice) => {
    root.dataset.theme = choice;
    dispatchEvent(new CustomEvent("theme", { detail: choice }));
  };
  apply(CHOICES.includes(stored) ? stored : "system");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(root.dataset.theme));
  addEventListener("choose-theme", () => {
    const next = CHOICES[(CHOICES.indexOf(root.dataset.theme) + 1) % CHOICES.length];
    localStorage.setItem(KEY, next);
    apply(next);
  });
}
