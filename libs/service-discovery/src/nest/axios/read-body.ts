import { type ResponseType } from 'axios';
import { type ResponseBody } from '../../transport/index.js';

/** A response's body in the form that axios was asked for. JSON is parsed by axios's own transforms afterwards. */
export async function readBody(body: ResponseBody, type: ResponseType | undefined): Promise<unknown> {
  if (type === 'stream') return body.stream;
  if (type === 'arraybuffer') return Buffer.from(await body.bytes());
  if (type === 'blob') return new Blob([await body.bytes()]);
  return body.arrived ? body.arrived.text : body.text();
}
