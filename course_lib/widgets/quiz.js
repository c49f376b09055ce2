// answers: for each question, for each option [whether it is right, what to say as HTML]
const buttons = [...document.querySelectorAll("button")];
const score = document.querySelector(".score");
const solved = new Set();

document.querySelectorAll(".slot").forEach((slot, question) => {  // keeps the room of its longest reply
  const ghosts = answers[question].map(([, why]) => `<p class="ghost" aria-hidden="true">${why}</p>`);
  slot.insertAdjacentHTML("afterbegin", ghosts.join(""));
});

for (const button of buttons) {
  button.addEventListener("click", () => {
    const question = button.dataset.question;
    const [right, why] = answers[question][button.dataset.option];
    const said = button.parentElement.querySelector(".said");
    for (const other of buttons.filter((one) => one.dataset.question === question)) {
      other.classList.remove("right", "wrong");
      other.setAttribute("aria-pressed", String(other === button));
    }
    button.classList.add(right ? "right" : "wrong");
    said.className = "said " + (right ? "right" : "wrong");
    said.innerHTML = why;
    if (right) solved.add(question);
    else solved.delete(question);
    score.textContent = `${solved.size} of ${answers.length} right`;
  });
}
