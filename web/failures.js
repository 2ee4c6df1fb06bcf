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

const deviceNames = { microphone: "microphone", camera: "camera", screen: "screen" };

// What getUserMedia and getDisplayMedia throw, in words that say what to do.
export function captureFailure(error, device) {
  const name = deviceNames[device] ?? device;
  const say = (code, message) => new NeedletailError(code, message, { cause: error });
  switch (error?.name) {
    case "NeedletailError":
      return error;
    case "NotAllowedError":
    case "SecurityError":
      return device === "screen"
        ? say("permission-denied", "The screen was not shared.")
        : say("permission-denied", `This page may not use the ${name}. Allow it in the browser's site settings and try again.`);
    case "NotFoundError":
    case "OverconstrainedError":
      return say("no-device", `No ${name} was found. Connect one and try again.`);
    case "NotReadableError":
    case "AbortError":
      return say("device-busy", `The ${name} could not be started. Another program may be using it.`);
    default:
      return say("capture-failed", `The ${name} could not be started: ${error?.message ?? error}`);
  }
}

// Browsers hide cameras, microphones and screens from pages that are not served over HTTPS (or from localhost).
export function requireSecureContext() {
  if (globalThis.isSecureContext && navigator.mediaDevices) return;
  throw new NeedletailError(
    "insecure-context", "Browsers give camera and microphone only to secure pages. Open this page with https://.");
}
