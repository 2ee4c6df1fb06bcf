// What people read when something goes wrong: what happened and what they can do. Codes without an entry show the message
// that came with them.

const errors = {
  unreachable: "The server cannot be reached. Check the address and your network, then try again.",
  unauthorized: "This server needs an access token. Enter yours under “More options”.",
  "token-refused": "Your access token is not accepted: it has expired, or is not for this server. Enter another under “More options”.",
  forbidden: "Your access token does not allow this.",
  "room-full": "This room is full. Try again later or choose another room.",
  "too-many-rooms": "The server is full. Try again later.",
  draining: "The server is about to restart and takes no new participants. Try again in a minute.",
  "rate-limited": "Too many attempts. Wait a moment and try again.",
  "unsupported-sdp": "The server and this browser have no codec in common.",
};

const closings = {
  left: undefined,
  kicked: "You were removed from the room by an operator.",
  "room-closed": "The room was closed by an operator.",
  replaced: "You joined from another window; this one has left the room.",
  unreachable: "The server is gone. It did not come back in time.",
};

const labels = { microphone: "microphone", camera: "camera", screen: "screen", "screen-audio": "screen's sound" };
const list = new Intl.ListFormat("en-GB"); // no comma before the “and”

export const errorWords = ({ code, message }) => errors[code] ?? message ?? "Something went wrong.";

export const closingWords = (failure) => (failure.code in closings ? closings[failure.code] : errorWords(failure));

// Why the server did not let us in. It is about the names only then: what else it finds wrong with a message is our own fault.
export function refusalWords(failure) {
  if (failure.code !== "bad-message") return errorWords(failure);
  return "The room or your name cannot be called this. Take 1 to 64 characters, no slashes or invisible ones, and not only dots.";
}

// Who cannot play what.
export function unplayableWords({ isOurs, label, participant }) {
  const what = labels[label] ?? label;
  if (isOurs) return `${participant?.name ?? "A viewer"} cannot play your ${what}: it comes in a format that they lack.`;
  return `${participant?.name ?? "Somebody"}’s ${what} cannot be played here: it comes in a format that this browser lacks.`;
}

// What an operator muted, or unmuted, at one moment: labels.
export function moderationWords(moderated, muted) {
  const named = Object.keys(labels).filter((label) => moderated.includes(label) && !(label === "screen-audio" && moderated.includes("screen")));
  const all = list.format(named.map((label) => labels[label]));
  if (muted) return `An operator turned off your ${all}.`;
  return `An operator unmuted your ${all}. ${named.length > 1 ? "They stay off until you turn them on." : "It stays off until you turn it on."}`;
}
