/**
 * Node's `node:http`. An `import` of it reads all exports of the module, and some of them load the undici inside of Node, which nothing
 * here uses: 20 ms of processor time and 6 MB on Node 24.
 */
export const http = process.getBuiltinModule('node:http');
