/**
 * The files of the page, by name: gzipped, in base64. In the package they are those of `libs/dashboard/`, which
 * `scripts/bundle.mjs` puts in place of this module: as part of the code they are found wherever an app is bundled to.
 */
export const PAGE_FILES: Readonly<Record<string, string>> = {};
