export type Protocol = 'http' | 'https';
