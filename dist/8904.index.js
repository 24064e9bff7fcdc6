"use strict";exports.id=8904,exports.ids=[8904],exports.modules={48904:((M,E,_)=>{_.d(E,{networkFault:()=>s.T});var s=_(45735),O=_(1405),P=_(60139)})};
