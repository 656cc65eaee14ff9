// Of `@nocobase/server`, which NocoBase provides at run time.

import type { Application, Database, Logger } from '../server/nocobase';

export class Plugin {
  app: Application;
  db: Database;
  log: Logger;
  load(): Promise<void>;
}
