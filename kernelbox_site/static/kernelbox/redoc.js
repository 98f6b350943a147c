// ReDoc shows its maker's logo from another host, and has no option against it. Nothing here is
// fetched from another host: an image that would be stays empty. React sets both the attribute and
// the property.
"use strict";
{
  const EMPTY = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E";
  const here = (url) => (/^https?:/.test(url) && new URL(url).origin !== location.origin ? EMPTY : url);
  const image = HTMLImageElement.prototype;
  const source = Object.getOwnPropertyDescriptor(image, "src");
  Object.defineProperty(image, "src", {
    ...source,
    set(url) {
      source.set.call(this, here(url));
    },
  });
  image.setAttribute = function (name, value) {
    Element.prototype.setAttribute.call(this, name, name === "src" ? here(value) : value);
  };
}
