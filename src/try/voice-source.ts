/** What goes into the room as the person's voice, and how loud a voice is. */

export interface Voice {
  readonly track: MediaStreamTrack
  readonly kind: 'microphone' | 'tone'
  stop(): void
}

/** The microphone, or two notes again and again where it is not wanted, not there, or refused. */
export async function openVoice(audio: AudioContext, wanted: Voice['kind']): Promise<Voice> {
  if (wanted === 'microphone') {
    try {
      return await openMicrophone()
    } catch {
      // Refused, or there is none. The caller sees by `kind` that it got the tone.
    }
  }
  return playTone(audio)
}

async function openMicrophone(): Promise<Voice> {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  })
  const [track] = stream.getAudioTracks()
  if (!track) throw new Error('a stream without sound')
  return { track, kind: 'microphone', stop: () => track.stop() }
}

/** Seconds of one round: two notes of 180 ms, then silence long enough to hear the echo between them. */
const roundSeconds = 1.4
const notes = [
  { hertz: 523.25, from: 0, to: 0.18 },
  { hertz: 659.25, from: 0.22, to: 0.4 },
] as const
const loudness = 0.35

function playTone(audio: AudioContext): Voice {
  const { sampleRate } = audio
  const buffer = audio.createBuffer(1, Math.ceil(roundSeconds * sampleRate), sampleRate)
  const samples = buffer.getChannelData(0)
  for (const { hertz, from, to } of notes) {
    for (let n = Math.floor(from * sampleRate); n < to * sampleRate; n += 1) {
      const at = n / sampleRate
      // Rises and falls softly: a note that begins at once clicks.
      const shape = Math.sin((Math.PI * (at - from)) / (to - from))
      samples[n] = loudness * shape * Math.sin(2 * Math.PI * hertz * at)
    }
  }
  const player = new AudioBufferSourceNode(audio, { buffer, loop: true })
  const sink = audio.createMediaStreamDestination()
  player.connect(sink)
  player.start()
  const [track] = sink.stream.getAudioTracks()
  if (!track) throw new Error('this browser makes no sound')
  return {
    track,
    kind: 'tone',
    stop() {
      player.stop()
      track.stop()
    },
  }
}

/** How loud a track is now, from 0 to 1. */
export type Loudness = () => number

export function measure(audio: AudioContext, track: MediaStreamTrack): Loudness {
  const analyser = new AnalyserNode(audio, { fftSize: 1024 })
  audio.createMediaStreamSource(new MediaStream([track])).connect(analyser)
  const samples = new Float32Array(analyser.fftSize)
  return () => {
    analyser.getFloatTimeDomainData(samples)
    let sum = 0
    for (const sample of samples) sum += sample * sample
    return Math.min(1, Math.sqrt(sum / samples.length) * 2)
  }
}
