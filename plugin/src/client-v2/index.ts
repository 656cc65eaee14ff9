// The plugin's half in NocoBase's newer client. It shares its forms with the classic one.

import { Plugin } from '@nocobase/client-v2';
import { register } from '../forms/register';

export default class PluginSidehookClient extends Plugin {
  async load() {
    register(this.app.pm.get('workflow'));
  }
}
