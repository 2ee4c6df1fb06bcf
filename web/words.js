// What people read when something goes wrong: what happened and what they can do. Codes without an entry show the message
// that came with them.

const errors = {
  unreachable: "The server cannot be reached. Check the address and your network, then try again.",
  unauthorized: "This server needs an access token. Enter yours under “More options”.",
  forbidden: "Your access token does not allow this.",
  "room-full": "This room is full. Try again later or choose another room.",
  "too-many-rooms": "The server is full. Try again later.",
  draining: "The server is about to restart and takes no new participants. Try again in a minute.",
  "rate-limited": "Too many attempts. Wait a moment and try again.",
  "unsupported-sdp": "The server and this browser have no codec in common.",
  timeout: "The server did not answer in time.",
};

const closings = {
  left: undefined,
  kicked: "You were removed from the room by an operator.",
  "room-closed": "The room was closed by an operator.",
  replaced: "You joined from another window; this one has left the room.",
  unreachable: "The server is gone. It did not come back in time.",
};

export const errorWords = ({ code, message }) => errors[code] ?? message ?? "Something went wrong.";

export const closingWords = (reason, message) => (reason in closings ? closings[reason] : errorWords({ code: reason, message }));
