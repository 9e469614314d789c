import { type Change, type RegistrySnapshot } from '../model/index.js';

/** @param change null where only the connection to the store came or went */
export type SnapshotListener = (snapshot: RegistrySnapshot, previous: RegistrySnapshot, change: Change | null) => void;
