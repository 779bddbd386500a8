"use strict";
(() => {
  const root = document.documentElement;
  const buttons = [...document.querySelectorAll("[data-language]")];

  const speak = (language) => {
    root.lang = language;
    const key = language.slice(0, 2);
    for (const element of document.querySelectorAll("[data-switch]")) {
      const text = element.dataset[key];
      if (element.dataset.switch === "text") element.textContent = text;
      else element.setAttribute(element.dataset.switch, text);
    }
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.language === language));
  };
  for (const button of buttons) button.addEventListener("click", () => speak(button.dataset.language));

  const number = (cell) => {
    const value = parseFloat(cell.textContent.replace(/[,%]/g, ""));
    return Number.isNaN(value) ? null : value;
  };
  const compare = (one, other) => {
    const [a, b] = [number(one), number(other)];
    if (a !== null && b !== null) return a - b;
    if (a !== null || b !== null) return a === null ? 1 : -1;
    return one.textContent.localeCompare(other.textContent, undefined, { numeric: true });
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        const rows = [...table.tBodies[0].rows].sort((a, b) => compare(a.cells[column], b.cells[column]) * (up ? 1 : -1));
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        table.tBodies[0].append(...rows);
      });
    });
  }

  for (const button of document.querySelectorAll(".copy")) {
    const code = button.parentElement.querySelector("code");
    button.addEventListener("click", () => {
      const range = document.createRange();
      range.selectNodeContents(code);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(() => button.classList.add("done"), () => undefined);
    });
  }

  addEventListener("beforeprint", () => {
    for (const element of document.querySelectorAll("details")) element.open = true;
  });
})();
