// Short notes at the foot of the call, a few at a time.

const most = 3;

export function toast(text, kind = "") {
  const toasts = document.getElementById("toasts");
  const note = document.createElement("div");
  note.className = `toast ${kind}`;
  note.textContent = text;
  toasts.append(note);
  while (toasts.childElementCount > most) (toasts.querySelector(".toast:not(.error)") ?? toasts.firstChild).remove();
  setTimeout(() => note.remove(), kind === "error" ? 8000 : 3500);
}
