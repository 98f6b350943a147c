// ReDoc shows its maker's logo from another host and has no option against it. Nothing here is
// fetched from another host: an image that would be is empty instead.
"use strict";
{
  const EMPTY = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E";
  HTMLImageElement.prototype.setAttribute = function (name, value) {
    const foreign = name === "src" && /^https?:/.test(value) && new URL(value).origin !== location.origin;
    Element.prototype.setAttribute.call(this, name, foreign ? EMPTY : value);
  };
}
