// Short notes at the foot of the call, a few at a time.

// How long each kind is shown. News makes room for the others.
const seconds = { news: 3.5, notice: 8, error: 8, link: 30 };
const isSmall = matchMedia("(max-width: 500px), (max-height: 500px)");

export function toast(text, kind = "news") {
  const toasts = document.getElementById("toasts");
  const note = document.createElement("div");
  note.className = `toast ${kind}`;
  note.textContent = text;
  toasts.append(note);
  const most = isSmall.matches ? 2 : 3;
  while (toasts.childElementCount > most) (toasts.querySelector(".news") ?? toasts.firstChild).remove();
  setTimeout(() => note.remove(), seconds[kind] * 1000);
}
