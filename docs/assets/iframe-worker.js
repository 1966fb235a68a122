/* Search in a site that is opened from a folder. Browsers start no workers for file:// pages, so
   the script of the search worker runs in a hidden frame instead. */
"use strict";
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      this.scope = this.frame.contentWindow;
      this.scope.document.open(); // some browsers would replace the empty document later
      this.scope.document.write("<body></body>");
      this.scope.document.close();
      this.scope.postMessage = (data) => this.answer(data);
      this.scope.importScripts = async (...urls) => {
        for (const one of urls) await this.load(one);
      };
      this.loaded = this.load(url);
    }

    load(url) {
      const script = this.scope.document.createElement("script");
      return new Promise((resolve, reject) => {
        script.src = url;
        script.onload = resolve;
        script.onerror = () => reject(new Error(`${url} cannot be read`));
        this.scope.document.body.append(script);
      });
    }

    answer(data) {
      const event = new MessageEvent("message", { data });
      this.dispatchEvent(event);
      if (this.onmessage) this.onmessage(event);
    }

    async postMessage(data) {
      await this.loaded;
      const event = new this.scope.MessageEvent("message", { data: structuredClone(data) });
      this.scope.dispatchEvent(event);
    }

    terminate() {
      this.frame.remove();
    }
  };
}
