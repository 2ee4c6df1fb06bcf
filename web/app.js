// The demo page: lobby, then call. Everything it does goes through the client module, needletail.js.

import { connect } from "./needletail.js";
import { Lobby } from "./lobby.js";
import { Tiles } from "./tiles.js";
import { closingWords, errorWords } from "./words.js";

const $ = (id) => document.getElementById(id);
const parameters = new URLSearchParams(location.search);
const tiles = new Tiles({ floor: $("floor"), stage: $("stage"), grid: $("grid"), onsilenced: offerSound });
const lobby = new Lobby({ parameters, onjoin: enter });
let room = null;

lobby.show();
if (parameters.get("autojoin") === "1") lobby.join();

async function enter({ room: roomName, name, token, quality, microphone, camera }) {
  room = await connect({ room: roomName, name, token });
  for (const type of ["participantjoined", "participantleft", "trackadded", "trackremoved", "trackmedia", "trackmuted", "trackunmuted", "published"]) {
    room.addEventListener(type, render);
  }
  room.addEventListener("participantjoined", ({ detail }) => toast(`${detail.participant.name} joined`));
  room.addEventListener("participantleft", ({ detail }) => toast(`${detail.participant.name} left`));
  room.addEventListener("state", stateChanged);
  room.addEventListener("error", ({ detail }) => toast(errorWords(detail), "error"));
  rememberInAddress(roomName, name);
  openCall(roomName);
  await Promise.all([
    microphone && attempt(() => room.publishMicrophone(microphone)),
    camera && attempt(() => room.publishCamera({ quality, ...camera })),
  ]);
  render();
}

function openCall(roomName) {
  lobby.hide();
  $("call").hidden = false;
  $("room-name").textContent = roomName;
  document.title = `${roomName} · Needletail`;
  showState();
  render();
  tick();
}

function stateChanged({ detail: { state, reason, message } }) {
  showState();
  if (state !== "closed") return;
  $("call").hidden = true;
  tiles.clear();
  room = null;
  document.title = "Needletail";
  lobby.show(closingWords(reason, message));
}

const stateWords = { connecting: "Connecting", connected: "Connected", reconnecting: "Reconnecting", closed: "Closed" };

function showState() {
  $("state").dataset.state = room.state;
  $("state").textContent = stateWords[room.state];
  $("banner").hidden = room.state !== "reconnecting";
  $("banner").textContent = "The connection to the server was interrupted. Reconnecting…";
}

// -- What is seen

function render() {
  if (!room) return;
  const published = room.published;
  tiles.show(room, published);
  const count = room.participants.size + 1;
  $("count").textContent = count === 1 ? "only you" : `${count} people`;
  const isOn = (label) => published.has(label) && !published.get(label).muted;
  for (const label of ["microphone", "camera", "screen"]) $(label).setAttribute("aria-pressed", String(isOn(label)));
  $("screen").disabled = !navigator.mediaDevices?.getDisplayMedia;
}

// Once a second, while the call lasts: the numbers on the tiles.
async function tick() {
  const current = room;
  if (!current) return;
  const statistics = await current.stats().catch(() => []);
  if (room !== current) return;
  tiles.showFigures(statistics);
  setTimeout(tick, 1000);
}

// -- What is pressed

async function toggle(label, publish) {
  if (!room) return;
  const published = room.published.get(label);
  await attempt(() => (published ? room.setMuted(label, !published.muted) : publish()));
  render();
}

const actions = {
  microphone: () => toggle("microphone", () => room.publishMicrophone(lobby.choice.microphone ?? {})),
  camera: () => toggle("camera", () => room.publishCamera({ quality: lobby.choice.quality, ...lobby.choice.camera })),
  screen: () => attempt(() => (room.published.has("screen") ? room.unpublish("screen") : room.publishScreen())).then(render),
  statistics: () => {
    const shown = $("floor").classList.toggle("show-figures");
    $("statistics").setAttribute("aria-pressed", String(shown));
  },
  invite: async () => {
    const link = new URL(`?room=${encodeURIComponent(room.name)}`, location.href).href;
    await navigator.clipboard?.writeText(link).then(() => toast("Invitation link copied"), () => toast(link));
  },
  leave: () => room.leave(),
};
for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", action);

const shortcuts = { m: "microphone", v: "camera", s: "screen", i: "statistics" };
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, select, textarea");
  if (!room || isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const id = shortcuts[event.key.toLowerCase()];
  if (id) $(id).click();
});

addEventListener("pagehide", () => room?.leave());

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    toast(errorWords(error), "error");
  }
}

// -- Words on the screen

function toast(text, kind = "") {
  const note = document.createElement("div");
  note.className = `toast ${kind}`;
  note.textContent = text;
  $("toasts").append(note);
  setTimeout(() => note.remove(), kind === "error" ? 8000 : 3500);
  return note;
}

// Browsers may refuse to play sound on a page that was not touched yet.
function offerSound(play) {
  if ($("sound")) return;
  const note = document.createElement("div");
  note.className = "toast";
  note.id = "sound";
  note.textContent = "The browser has silenced this page.";
  const button = document.createElement("button");
  button.textContent = "Turn sound on";
  button.onclick = () => { note.remove(); play(); };
  note.append(button);
  $("toasts").append(note);
}

function rememberInAddress(roomName, name) {
  const address = new URL(location.href);
  address.searchParams.set("room", roomName);
  address.searchParams.set("name", name);
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
}
