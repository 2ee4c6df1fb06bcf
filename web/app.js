// The demo page: lobby, then call. Everything it does goes through the client module, needletail.js.

import { connect } from "./needletail.js";
import { Lobby } from "./lobby.js";
import { Playback } from "./playback.js";
import { Tiles } from "./tiles.js";
import { toast } from "./toasts.js";
import { closingWords, errorWords, moderationWords, unplayableWords } from "./words.js";

const $ = (id) => document.getElementById(id);
const parameters = new URLSearchParams(location.search);
const playback = new Playback((isSilenced) => { $("silenced").hidden = !isSilenced; });
const tiles = new Tiles({ floor: $("floor"), stage: $("stage"), grid: $("grid"), playback });
const lobby = new Lobby({ parameters, onjoin: enter });
const devices = ["microphone", "camera"];
let room = null;

if (parameters.get("autojoin") === "1") lobby.autojoin();
else lobby.show();

async function enter({ room: roomName, name, token }) {
  room = await connect({ room: roomName, name, token });
  // A link alone lets nobody in where tokens are wanted.
  $("invite").hidden = Boolean(token);
  for (const type of ["participantjoined", "participantleft", "trackadded", "trackremoved", "trackmedia", "trackmuted", "trackunmuted", "tracklabelled", "published", "speakers"]) {
    room.addEventListener(type, render);
  }
  room.addEventListener("participantjoined", ({ detail }) => announce(`${detail.participant.name} joined`));
  room.addEventListener("participantleft", ({ detail }) => announce(`${detail.participant.name} left`));
  room.addEventListener("state", stateChanged);
  room.addEventListener("moderated", moderated);
  room.addEventListener("unplayable", ({ detail }) => toast(unplayableWords(detail), "notice"));
  room.addEventListener("error", ({ detail }) => toast(errorWords(detail), "error"));
  rememberInAddress(roomName);
  openCall(roomName);
  for (const device of devices) if (lobby.isOn(device)) press(device);
}

function openCall(roomName) {
  lobby.hide();
  $("call").hidden = false;
  quietUntil = 0;
  $("room-name").textContent = roomName;
  document.title = `${roomName} · Needletail`;
  showState();
  render();
  $("room-name").focus();
  tick();
}

function stateChanged({ detail: { state, reason, message } }) {
  showState();
  render();
  if (state === "reconnecting") quietUntil = Infinity;
  if (state === "connected") quietUntil = Date.now() + returnTime;
  if (state !== "closed") return;
  $("call").hidden = true;
  tiles.clear();
  room = null;
  document.title = "Needletail";
  keepChoices(reason);
  lobby.show({ code: reason, message }, closingWords);
}

// The lobby is as the call was: leaving turns nothing on. Whom others put out is not filmed there until they ask for it.
const othersDoing = new Set(["kicked", "room-closed", "replaced"]);

function keepChoices(reason) {
  for (const device of devices) lobby.setOn(device, $(device).getAttribute("aria-pressed") === "true");
  if (othersDoing.has(reason)) lobby.setOn("camera", false);
}

// Who is interrupted together comes back one after the other: that is no news of who joined and left.
const returnTime = 12_000; // milliseconds: the client's longest pause, and some
let quietUntil = 0;

function announce(text) {
  if (room.state !== "closed" && Date.now() > quietUntil) toast(text);
}

// What an operator does at one moment comes track by track, and is one piece of news.
const moment = 250; // milliseconds
let moderations = [];

function moderated({ detail: { label, muted } }) {
  // A screen that nobody may see is no longer shared: the next press shares one anew.
  if (label === "screen" && muted) attempt(() => room.unpublish("screen"));
  if (moderations.push({ label, muted }) === 1) setTimeout(tellModerations, moment);
}

function tellModerations() {
  for (const muted of [true, false]) {
    const labels = moderations.filter((one) => one.muted === muted).map(({ label }) => label);
    if (labels.length > 0) toast(moderationWords(labels, muted), "notice");
  }
  moderations = [];
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
  if (!room || room.state === "closed") return; // what is over stays as it was
  const published = room.published;
  tiles.show(room, published);
  const count = room.participants.size + 1;
  $("count").textContent = count === 1 ? "only you" : `${count} people`;
  const isOn = (label) => published.has(label) && !published.get(label).muted;
  for (const label of [...devices, "screen"]) $(label).setAttribute("aria-pressed", String(isOn(label)));
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

const actions = {
  microphone: () => toggle("microphone", () => room.publishMicrophone(lobby.constraints("microphone"))),
  camera: () => toggle("camera", () => room.publishCamera({ quality: lobby.quality, ...lobby.constraints("camera") })),
  screen: () => (room.published.has("screen") ? room.unpublish("screen") : room.publishScreen()),
  statistics: () => {
    const shown = $("floor").classList.toggle("show-figures");
    $("statistics").setAttribute("aria-pressed", String(shown));
  },
  invite: async () => {
    const link = new URL(`?room=${encodeURIComponent(room.name)}`, location.href).href;
    if (await navigator.clipboard?.writeText(link).then(() => true, () => false)) toast("Invitation link copied");
    else toast(link, "link"); // not all pages may write there
  },
  leave: () => room.leave(),
};

function toggle(label, publish) {
  const published = room.published.get(label);
  return published ? room.setMuted(label, !published.muted) : publish();
}

// What a press means shows when the one before it is done: the second of two presses turns off what the first turned on.
const presses = {};

function press(id) {
  presses[id] = Promise.resolve(presses[id]).then(() => room && attempt(actions[id]));
}

async function attempt(action) {
  try {
    await action();
  } catch (error) {
    if (error.code !== "closed" && error.code !== "cancelled") toast(errorWords(error), "error");
  }
  render();
}

for (const id of Object.keys(actions)) $(id).addEventListener("click", () => press(id));
$("sound").addEventListener("click", () => playback.resume());

const shortcuts = { m: "microphone", v: "camera", s: "screen", i: "statistics" };
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, select, textarea");
  if (!room || isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const id = shortcuts[event.key.toLowerCase()];
  if (id) $(id).click();
});

// Enter that is held down leaves and does not join again.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.repeat) event.preventDefault();
});

addEventListener("pagehide", () => room?.leave());

// A link that is passed on names the room, not who was in it.
function rememberInAddress(roomName) {
  const address = new URL(location.href);
  address.searchParams.set("room", roomName);
  for (const name of ["name", "token"]) address.searchParams.delete(name);
  history.replaceState(null, "", address);
}
