// What is not on the core path of a lecture is folded behind a bar. Without scripts everything is in sight.
document.addEventListener("DOMContentLoaded", () => {
  const own = (section) => [...section.children].some((child) => child.matches(".path"));
  for (const section of document.querySelectorAll("article section")) {
    let bar = null;
    for (const child of [...section.children]) {
      if (child.matches(".path")) {
        if (child.dataset.path !== "more") bar = null;
        else if (!bar) {
          bar = document.createElement("details");
          bar.className = "more";
          bar.innerHTML = "<summary>More: not part of the core hour</summary>";
          child.after(bar);
        }
      } else if (child.matches("section") && own(child)) bar = null;
      else if (bar) bar.append(child);
    }
  }
});
