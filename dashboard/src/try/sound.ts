/** Decodes a sound (WAV, or whatever the browser knows) to one channel at the rate. Throws where it is no sound. */
export async function decodedSound(file: Blob, rate: number): Promise<Float32Array> {
  // The context's rate is what decoding resamples to.
  const context = new OfflineAudioContext(1, 1, rate);
  const sound = await context.decodeAudioData(await file.arrayBuffer());
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    const data = sound.getChannelData(channel);
    for (let i = 0; i < mono.length; i++) mono[i]! += data[i]! / sound.numberOfChannels;
  }
  return mono;
}

/** The loudest stretch of so many samples; shorter sounds get silence on both sides. */
export function loudest(sound: Float32Array, length: number): Float32Array {
  const out = new Float32Array(length);
  if (sound.length <= length) {
    out.set(sound, Math.floor((length - sound.length) / 2));
    return out;
  }
  let energy = 0;
  for (let i = 0; i < length; i++) energy += sound[i]! ** 2;
  let [best, at] = [energy, 0];
  for (let i = length; i < sound.length; i++) {
    energy += sound[i]! ** 2 - sound[i - length]! ** 2;
    if (energy > best) [best, at] = [energy, i - length + 1];
  }
  out.set(sound.subarray(at, at + length));
  return out;
}

/** Records from the microphone until told to stop. Throws where the browser or the user does not allow it. */
export async function record(): Promise<{ stop: () => Promise<Blob> }> {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  // Uncompressed where the browser can: the model should hear what was said.
  const raw = 'audio/webm;codecs=pcm';
  const recorder = new MediaRecorder(stream, MediaRecorder.isTypeSupported(raw) ? { mimeType: raw } : {});
  const parts: Blob[] = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.start();
  const stop = () =>
    new Promise<Blob>((resolve) => {
      recorder.onstop = () => {
        for (const track of stream.getTracks()) track.stop();
        resolve(new Blob(parts, { type: recorder.mimeType }));
      };
      recorder.stop();
    });
  return { stop };
}
