import type { Digest } from "../model/digest.ts";
import type { Reading } from "./merge-tag.ts";

const MOST = 256;
const LARGEST = 256 * 1024;

/** The last reading of a subject's tag, for the writing that often follows; used once. Bounded: the oldest and the large are let go. */
export interface RecentReadings {
  keep(subject: Digest, reading: Reading): void;
  take(subject: Digest): Reading | undefined;
}

export function createRecentReadings(): RecentReadings {
  const readings = new Map<Digest, Reading>();
  return {
    keep(subject, reading) {
      readings.delete(subject);
      if ((reading.manifest?.size ?? 0) > LARGEST) return;
      readings.set(subject, reading);
      for (const oldest of readings.keys()) {
        if (readings.size <= MOST) break;
        readings.delete(oldest);
      }
    },
    take(subject) {
      const reading = readings.get(subject);
      readings.delete(subject);
      return reading;
    },
  };
}
