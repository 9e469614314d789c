/** The registry of another process, reached over its REST API: the store of `remote`, and its wire format. */
export {
  isMountPath,
  MOUNT_PATH,
  REMOTE_REGISTRY_STORE_OPTIONS,
  resolveRemoteRegistryStoreOptions,
  type RegistryHeaders,
  type RemoteRegistryStoreOptions,
} from './options.js';
export { RemoteRegistryStore, type RemoteRegistryStoreDeps, type SplitAnswer } from './remote-registry-store.js';
export { toChangeBody, type ChangeBody } from './change-body.js';
export { toHealthBody, toInstanceBody, type HealthBody, type InstanceBody } from './instance-body.js';
export { errorFieldsOf, type RegistryAnswer, RegistryHttp, REMOVED_HEADER } from './registry-http.js';
export { readEventStream, textOf as streamText } from './watch-stream.js';
