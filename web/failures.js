// Every failure the client module reports is a NeedletailError: `code` is for programs, `message` for people.

export class NeedletailError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = "NeedletailError";
    this.code = code;
  }
}

// Codes after which joining again cannot help, at least not without the person doing something.
export const finalCodes = new Set([
  "unauthorized", "forbidden", "room-full", "too-many-rooms", "limit-exceeded", "kicked", "room-closed", "replaced", "bad-message",
]);

// What getUserMedia and getDisplayMedia throw, in words that say what to do.
export function captureFailure(error, device) {
  const say = (code, message) => new NeedletailError(code, message, { cause: error });
  switch (error?.name) {
    case "NeedletailError":
      return error;
    case "NotAllowedError":
    case "SecurityError":
      if (device === "screen") return screenFailure(error, say);
      return say("permission-denied", `This page may not use the ${device}. Allow it in the browser's site settings and try again.`);
    case "OverconstrainedError":
      if (error.constraint === "deviceId") return say("device-gone", `The chosen ${device} is not there any more. Choose another.`);
      // falls through
    case "NotFoundError":
      return say("no-device", `No ${device} was found. Connect one and try again.`);
    case "NotReadableError":
    case "AbortError":
      return say("device-busy", `The ${device} could not be started. Another program may be using it.`);
    default:
      return say("capture-failed", `The ${device} could not be started: ${error?.message ?? error}`);
  }
}

// Who closes the picker is told in the same way as who uses a browser that may not record the screen, but for the message.
function screenFailure(error, say) {
  if (!error.message.includes("by system")) return say("cancelled", "The screen was not shared.");
  return say("permission-denied", "The browser may not record the screen. Allow it in the system's settings and try again.");
}

// Browsers hide cameras, microphones and screens from pages that are not served over HTTPS (or from localhost).
export function requireSecureContext() {
  if (globalThis.isSecureContext && navigator.mediaDevices) return;
  throw new NeedletailError(
    "insecure-context", "Browsers give camera and microphone only to secure pages. Open this page with https://.");
}
