/**
 * TypeScript's ESM sources import each other by the name of the emitted file ('./clock.js').
 * Tests run the sources themselves, so such a request from our own code means './clock.ts'.
 */
module.exports = (request, options) => {
  if (/^\.{1,2}\//.test(request) && request.endsWith('.js') && !options.basedir.includes('node_modules')) {
    try {
      return options.defaultResolver(request.replace(/\.js$/, '.ts'), options);
    } catch {
      // A real JavaScript file: resolved below.
    }
  }
  return options.defaultResolver(request, options);
};
