"use strict";exports.id=6674,exports.ids=[6674],exports.modules={66674:((O,E,_)=>{_.r(E),_.d(E,{lookupOutside:()=>s.S,refuseInside:()=>s.N});var s=_(80823),D=_(43132),P=_(71842),d=_(72919)})};
