// Sorts a table by the column whose heading is pressed; without it the page is complete.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const figures = heading.classList.contains("figure");
      const before = heading.getAttribute("aria-sort");
      // Figures start with the highest, names with the first.
      const first = figures ? "descending" : "ascending";
      const second = figures ? "ascending" : "descending";
      const order = before === first ? second : first;
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const body = table.tBodies[0];
      const compare = (one, other) => {
        const [a, b] = [one.cells[column], other.cells[column]];
        if (!figures) return sign * a.textContent.trim().localeCompare(b.textContent.trim());
        const [x, y] = [a.dataset.order, b.dataset.order];
        // A missing figure stands last in either order.
        if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
        return sign * (Number(x) - Number(y));
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
