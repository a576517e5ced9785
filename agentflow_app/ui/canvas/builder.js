// The builder as the pages use it: its actions, and what it shows.

import * as edits from "./edits";
import * as fields from "./fields";
import { redo, undo } from "./history";
import { acknowledge, discard, flush, load, onSave, overwrite } from "./saving";
import { publish, setCatalog, state } from "./store";
import * as viewport from "./viewport";

export { useBuilder } from "./views";

export const builder = {
  ...edits,
  ...fields,
  ...viewport,
  acknowledge,
  discard,
  flush,
  load,
  onSave,
  overwrite,
  redo,
  undo,
  setCatalog,
  setProblems: (problems) => publish({ problems }),
  setSample: (sample) => publish({ sample }),
  setAdding: (adding) => publish({ adding, splitting: adding ? state.splitting : null }),
  search: (query) => publish({ query }),
  state: () => state,
};
