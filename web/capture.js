// Opening microphone, camera and screen. What fails is a NeedletailError that says what to do.

import { captureFailure, requireSecureContext } from "./failures.js";

export const videoQualities = {
  high: { width: 1280, height: 720, frameRate: 30, maxBitrate: 2_500_000 },
  medium: { width: 640, height: 360, frameRate: 30, maxBitrate: 800_000 },
  low: { width: 320, height: 180, frameRate: 15, maxBitrate: 250_000 },
};

// `constraints` are getUserMedia's for audio, e.g. {deviceId}.
export function captureMicrophone(constraints) {
  return capture({ audio: { echoCancellation: true, noiseSuppression: true, ...constraints } }, "microphone");
}

// `quality` is one of `videoQualities`; the rest are getUserMedia's constraints for video.
export function captureCamera({ quality, ...constraints }) {
  const { width, height, frameRate } = videoQualities[quality];
  const wanted = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: frameRate }, ...constraints };
  return capture({ video: wanted }, "camera");
}

// What the person picks: `video`, and `audio` where the browser offers it.
export async function captureScreen() {
  requireSecureContext();
  const shared = await navigator.mediaDevices
    .getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: true })
    .catch((error) => { throw captureFailure(error, "screen"); });
  const [video] = shared.getVideoTracks();
  const [audio] = shared.getAudioTracks();
  video.contentHint = "detail";
  return { video, audio };
}

export function release(media) {
  media?.stop();
}

async function capture(constraints, device) {
  requireSecureContext();
  try {
    const stream = await navigator.mediaDevices.getUserMedia(constraints);
    return stream.getTracks()[0];
  } catch (error) {
    throw captureFailure(error, device);
  }
}
