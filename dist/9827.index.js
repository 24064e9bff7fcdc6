"use strict";exports.id=9827,exports.ids=[9827],exports.modules={49827:((O,E,_)=>{_.r(E),_.d(E,{lookupOutside:()=>s.S,refuseInside:()=>s.N});var s=_(77504),M=_(43132),P=_(1405),d=_(60139)})};
