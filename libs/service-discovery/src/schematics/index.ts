export { client } from './client.js';
export { nestAdd } from './nest-add.js';
