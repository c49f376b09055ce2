// data: shape and values of the axes, images, and for each state [images shown, their titles, alt text, note]
const all = (selector) => [...document.querySelectorAll(selector)];
const [panels] = all(".panels"), [note] = all(".note .text"), [status] = all("[role=status]");
const images = all(".panel img"), inputs = all("[data-axis]");
for (const image of images) data.images[image.dataset.image] = image.src;  // the first ones are in the page already

const place = data.shape.map((_, axis) => {
  const input = inputs.find((one) => Number(one.dataset.axis) === axis && (one.type === "range" || one.checked));
  return Number(input.value);
});

function show() {
  const state = place.reduce((sum, position, axis) => sum * data.shape[axis] + position, 0);
  const [shown, titles, alt, words] = data.states[state];
  images.forEach((image, panel) => {
    image.src = data.images[shown[panel]];
    image.alt = titles[panel] || alt;
    image.dataset.image = shown[panel];
    const title = image.parentElement.querySelector(".text");
    if (title) title.textContent = titles[panel];
  });
  if (note) note.textContent = words;
  panels.setAttribute("aria-label", alt);
  return alt + (words ? ". " + words : "");
}

function say(input) {
  const axis = Number(input.dataset.axis);
  if (input.type !== "range") return;
  input.setAttribute("aria-valuetext", data.values[axis][place[axis]]);
  input.closest(".axis").querySelector("output").textContent = data.values[axis][place[axis]];
}

for (const input of inputs) {
  input.addEventListener("input", () => {
    place[Number(input.dataset.axis)] = Number(input.value);
    say(input);
    status.textContent = show();
  });
}
inputs.forEach(say);  // a browser that reloads a page may have kept the sliders where they were
show();
